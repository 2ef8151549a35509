"""From everything that is read of an installation of anm to the plan: storage folders, and what is told."""

import posixpath
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from tests.adopt.test_anm_settings import ADDRESS, HOST, VANILLA

from wnm.formats.systemd_reading import read_unit
from wnm_adopt.anm import AnmSeen, plan_from_anm
from wnm_adopt.classify import paths_of_interest
from wnm_adopt.discover import FolderFacts, Surroundings, unit_of
from wnm_adopt.plan import TakeoverPlan, plan_text

SERVICES = "/var/antctl/services"
CRON = "* * * * * ubuntu /bin/bash /usr/bin/anms.sh >> /var/antctl/log\n"


def unit(number: int, holder: str, *, wallet: str = ADDRESS) -> str:
    """The text of a unit as anm writes it."""
    name = f"antnode{number:04d}"
    root = f"{holder}/{name}"
    return (
        f"[Service]\nUser=ant\nExecStart={root}/antnode --root-dir {root} --port {55000 + number} "
        f"--metrics-server-port {13000 + number} --log-output-dest /var/log/antnode/{name} "
        f"--rewards-address {wallet} evm-arbitrum-one\nRestart=always\n"
    )


def planned(
    *units: str,
    override: str | None = None,
    by_hand: Mapping[str, str] | None = None,
    files: Sequence[str] = ("antnode", "secret-key"),
) -> TakeoverPlan:
    """The plan for units with these numbers, whose folders are there, each with these files."""
    services = []
    for text in units:
        name = f"{posixpath.basename(text.partition('--root-dir ')[2].partition(' ')[0])}.service"
        found = read_unit(text.encode(), name=name)
        services.append(unit_of(found, manager="systemd", file_name=name, place=f"/units/{name}"))
    facts = {}
    for path in paths_of_interest(services):
        is_node = posixpath.basename(path).startswith("antnode0")
        inside = (
            {"folders": ("record_store",), "files": tuple(files)}
            if is_node
            else {"folders": ("antnode0001",)}
        )
        facts[path] = FolderFacts(
            path=path, real=path, owner="ant", is_folder=posixpath.basename(path) != "antnode", **inside
        )
    seen = AnmSeen(
        texts=replace(VANILLA, override=override),
        cron_text=CRON,
        units=services,
        around=Surroundings(facts=facts, account="root", homes=frozenset({"/root"})),
        tables={},
        companions=(),
        files=(),
        program=None,
        wallet_script=None,
        firewall_active=False,
        database="/var/antctl/colony.db",
    )
    return plan_from_anm(seen, HOST, by_hand=by_hand or {}, accept_defaults=False)


def names(plan: TakeoverPlan) -> list[str]:
    """What is adopted."""
    return [each.row.name for each in plan.adopted]


def test_what_is_not_known_and_does_not_matter_is_told_all_the_same() -> None:
    plan = planned(unit(1, SERVICES), override="NodeVersion=$(x)\nNodeStorage=$(y)\n")
    assert plan.problems == ()
    for line, option in (
        ("1: NodeVersion=$(x)", "--node_version"),
        ("2: NodeStorage=$(y)", "--node_storage"),
    ):
        (note,) = [note for note in plan.notes if note.startswith(f"/var/antctl/override:{line}: ")]
        assert f"give {option} " in note
    assert plan.settings["node_storage"] == SERVICES


def test_storage_given_by_hand_has_to_hold_the_nodes() -> None:
    units = [unit(1, SERVICES), unit(2, "/mnt/a")]
    (problem,) = planned(*units, by_hand={"node_storage": "/mnt/new"}).problems
    assert problem == (
        f"--node_storage leaves out /mnt/a, {SERVICES}, where nodes are: give --node_storage "
        f"/mnt/new,/mnt/a,{SERVICES}"
    )
    plan = planned(*units, by_hand={"node_storage": f"/mnt/new,/mnt/a,{SERVICES}"})
    assert plan.problems == ()
    assert names(plan) == ["antnode0001", "antnode0002"]


def test_disks_below_the_folder_that_anm_names() -> None:
    plan = planned(unit(1, "/mnt/nodes/a"), unit(2, "/mnt/nodes/b"), override="NodeStorage=/mnt/nodes\n")
    assert names(plan) == ["antnode0001", "antnode0002"]
    assert plan.settings["node_storage"] == "/mnt/nodes/a,/mnt/nodes/b"
    assert any("NodeStorage /mnt/nodes holds no node itself" in note for note in plan.notes)


def test_a_folder_that_holds_nodes_itself_stays_the_storage_folder() -> None:
    plan = planned(unit(1, SERVICES), unit(2, f"{SERVICES}/more"))
    assert names(plan) == ["antnode0001"]
    assert plan.settings["node_storage"] == SERVICES


def test_what_is_left_alone_is_told_with_what_can_be_done() -> None:
    plan = planned(unit(1, SERVICES), unit(2, SERVICES, wallet="0x12"))
    assert (
        "antnode0002.service (/units/antnode0002.service): it has no valid rewards address: '0x12'; give "
        "--rewards-address in /units/antnode0002.service"
    ) in plan_text(plan, database="/x")
    assert any(note.startswith("1 unit(s) are left alone: ") for note in plan.notes)


def test_a_strange_file_keeps_no_node_from_being_adopted() -> None:
    files = ("antnode", "secret-key", "thesis.odt")
    plan = planned(unit(1, SERVICES), unit(2, "/mnt/a"), files=files)
    assert names(plan) == ["antnode0001", "antnode0002"]
    assert plan.refused == ()
