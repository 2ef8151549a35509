"""Which services are adopted and which are not: whole machines as data, and what never happens whatever they say."""

import json
import posixpath
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from wnm.core.node import id_in_name
from wnm.formats.systemd_reading import read_unit
from wnm_adopt.classify import Classified, classify, paths_of_interest
from wnm_adopt.discover import (
    FolderFacts,
    FoundUnit,
    Surroundings,
    process_unit,
    read_agent,
    unit_of,
)

CASES = sorted((Path(__file__).parent / "cases" / "machines").glob("*.json"))
SERVICES = "/var/antctl/services"
WALLET = "0xa1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
SYSTEM = {"/", "/etc", "/usr", "/var", "/boot", "/home", "/root", "/mnt", "/opt", "/srv", "/tmp", "/home/ada"}


def service_of(name: str, about: Any, manager: str) -> FoundUnit:
    """A service of a case: the text of a unit, or {"unit": …, "drop_ins": …}, or the values of a FoundUnit."""
    place = f"/etc/systemd/system/{name}"
    if isinstance(about, str):
        about = {"unit": about}
    if "unit" in about:
        drop_ins = [(each, text.encode()) for each, text in about.get("drop_ins", {}).items()]
        found = read_unit(about["unit"].encode(), drop_ins, name=name)
        return unit_of(found, manager=manager, file_name=name, place=place)
    values = {"manager": manager, "name": name, "place": place} | about
    if "argv" in values:
        values["argv"] = tuple(values["argv"].split())
    return FoundUnit(**values)


def facts_of(case: dict[str, Any], services: list[FoundUnit]) -> dict[str, FolderFacts]:
    """Every path of interest is an ordinary one, but for those of which the case says more."""
    found: dict[str, FolderFacts] = {}
    for path in paths_of_interest(services):
        if id_in_name(posixpath.basename(posixpath.dirname(path))) is not None:
            found[path] = FolderFacts(path=path, is_folder=False, real=path, owner="ant")
        elif id_in_name(posixpath.basename(path)) is not None:
            found[path] = FolderFacts(
                path=path, real=path, owner="ant", folders=("record_store",), files=("antnode", "secret-key")
            )
        else:
            found[path] = FolderFacts(path=path, real=path, owner="root", folders=("antnode0001",))
    for path, changes in case.get("facts", {}).items():
        lists: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in changes.items()
        }
        found[path] = replace(found.get(path, FolderFacts(path=path, owner="ant")), **lists)
    return found


def judged(case: dict[str, Any]) -> Classified:
    """What becomes of the machine of a case."""
    manager = case.get("manager", "systemd")
    services = [service_of(name, about, manager) for name, about in case["services"].items()]
    details = {
        int(key): (value.get("peer_id") or "", value.get("version") or "")
        for key, value in case.get("node_details", {}).items()
    }
    around = Surroundings(
        facts=facts_of(case, services),
        account=case.get("account", "root"),
        storages_known=tuple(case.get("storages_known", [SERVICES])),
        homes=frozenset(case.get("homes", ["/root", "/home/ada"])),
        node_details=details,
        **case.get("ports", {}),
    )
    found = classify(services, around)
    assert classify(services[::-1], around) == found, "it depends on the order in which services were found"
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_machines(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    found = judged(case)
    expected = case["expected"]
    assert [(each.name, each.reason) for each in found.refused] == [
        (name, reason) for name, reason in expected.get("refused", [])
    ]
    assert [each.row.name for each in found.adopted] == [each["name"] for each in expected.get("adopted", [])]
    for adoption, values in zip(found.adopted, expected.get("adopted", []), strict=True):
        told = {**asdict(adoption.row), **asdict(adoption)}
        shown = json.loads(json.dumps({name: told[name] for name in values}))
        assert shown == values
    assert list(found.storages) == expected.get("storages", [])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_refusal_says_what_can_be_done(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    for each in judged(case).refused if case.get("manager", "systemd") != "setsid" else ():
        assert each.remedy or "remove it" in each.reason, each


def node(name: str, number: int, *, root: str | None = None, more: str = "", **changes: Any) -> FoundUnit:
    """An ordinary node of a unit."""
    root = root or f"{SERVICES}/{name}"
    argv = (
        f"{root}/antnode --root-dir {root} --port {55000 + number} --metrics-server-port {13000 + number} "
        f"--log-output-dest /var/log/antnode/{name} --rewards-address {WALLET} {more} evm-arbitrum-one"
    ).split()
    ordinary: dict[str, Any] = {
        "manager": "systemd", "name": f"{name}.service", "place": f"/etc/systemd/system/{name}.service",
        "argv": tuple(argv), "user": "ant",
    }  # fmt: skip
    return FoundUnit(**(ordinary | changes))


def seen(*services: FoundUnit, **changes: Any) -> Surroundings:
    """Ordinary folders below and around these services."""
    return Surroundings(
        **(
            {
                "facts": facts_of({}, list(services)),
                "account": "root",
                "storages_known": (SERVICES,),
                "homes": frozenset({"/root", "/home/ada"}),
            }
            | changes
        )
    )


def test_what_is_adopted_is_as_it_was_found() -> None:
    argv = (
        f"{SERVICES}//antnode0007/antnode", "--no-upnp", "--peer=x", f"--root-dir={SERVICES}//antnode0007/",
        "--metrics-server-port", "13999", "--rewards-address", WALLET, "--port", "41007", "--relay",
        "--log-output-dest", "/var/log/antnode/antnode0007", "evm-custom", "--rpc-url", "http://127.0.0.1:1",
    )  # fmt: skip
    service = node("antnode0007", 7, argv=argv, environment=(("ANT_LOG", "a b"), ("X", "")))
    (adopted,) = classify([service], seen(service)).adopted
    found = adopted.row
    assert (found.root_dir, found.program) == (f"{SERVICES}/antnode0007", f"{SERVICES}/antnode0007/antnode")
    assert found.command == argv[1:]
    assert (found.id, found.name, found.port, found.metrics_port) == (7, "antnode0007", 41007, 13999)
    assert (found.wallet, found.user, found.no_upnp) == (WALLET, "ant", True)
    assert found.environment == (("ANT_LOG", "a b"), ("X", ""))
    assert found.start_args == ("--peer=x", "--relay")
    assert adopted.network == ("evm-custom", "--rpc-url", "http://127.0.0.1:1")
    assert found.log_dir == "/var/log/antnode/antnode0007"
    assert adopted.notes == ("its port 41007 is not the one that wnm would give it (55007), and stays",)


def test_a_process_is_called_like_its_folder() -> None:
    root = "/home/ada/.local/share/autonomi/node/antnode0003"
    argv = (f"{root}/antnode", f"--root-dir={root}", "--port", "55003", "--metrics-server-port", "13003",
            "--rewards-address", WALLET, "evm-arbitrum-one")  # fmt: skip
    process = process_unit(4711, argv, user="ada")
    assert (process.name, process.place) == ("antnode0003", "process 4711")
    around = seen(process, account="ada", storages_known=(posixpath.dirname(root),))
    around = replace(around, facts={path: replace(each, owner="ada") for path, each in around.facts.items()})
    found = classify([process], around).adopted[0].row
    assert (found.manager, found.user, found.log_dir) == ("setsid", None, f"{root}/logs")
    assert [each.reason for each in classify([replace(process, user="bob")], around).refused] == [
        "it runs as bob, and not as ada, who could not keep it"
    ]
    twice = classify([process, process_unit(4712, argv, user="ada")], around).refused
    assert [each.reason for each in twice] == [
        "its number is also that of antnode0003 (process 4712)",
        "its number is also that of antnode0003 (process 4711)",
    ]


def test_an_agent_is_called_by_its_label() -> None:
    content = (Path(__file__).parent / "cases" / "com.autonomi.antnode-1.plist").read_bytes()
    root = "/Users/ada/Library/Application Support/autonomi/node/antnode0001"
    agent = read_agent(content, file_name="com.autonomi.antnode-1.plist", place="/agents/x")
    around = seen(agent, account="ada", storages_known=())
    around = replace(around, facts={path: replace(each, owner="ada") for path, each in around.facts.items()})
    found = classify([agent], around)
    adopted = found.adopted[0].row
    assert (adopted.name, adopted.id, adopted.root_dir, adopted.manager) == (
        "antnode0001",
        1,
        root,
        "launchd",
    )
    assert adopted.environment == (("ANT_LOG", "ant_evm=error"),)
    assert found.storages == (posixpath.dirname(root),)


@pytest.mark.parametrize(
    ("file_name", "reason"),
    [
        ("com.autonomi.antnode-2.plist", "it has the label 'com.autonomi.antnode-1', and its file another name"),
        ("com.autonomi.antnode-1.plist.bak",
         "launchd does not read it: its file name does not end in .plist"),
    ],
)  # fmt: skip
def test_an_agent_whose_file_is_called_otherwise(file_name: str, reason: str) -> None:
    content = (Path(__file__).parent / "cases" / "com.autonomi.antnode-1.plist").read_bytes()
    agent = read_agent(content, file_name=file_name, place="/agents/x")
    assert [each.reason for each in classify([agent], seen(agent, account="ada")).refused] == [reason]


def test_a_label_by_which_wnm_would_not_find_it() -> None:
    agent = FoundUnit(
        manager="launchd", name="com.autonomi.antnode0001", place="/agents/x", problem="it is odd"
    )
    assert classify([agent], seen()).refused[0].reason == "its label would have to be com.autonomi.antnode-1"


def test_services_that_are_no_nodes_are_left_out() -> None:
    ssh = FoundUnit(
        manager="systemd", name="ssh.service", place="/x", argv=("/usr/sbin/sshd", "-D", "--port", "55001")
    )
    one = node("antnode0001", 1)
    found = classify([ssh, one], seen(ssh, one))
    assert ([each.row.name for each in found.adopted], found.refused) == (["antnode0001"], ())


def test_a_hidden_refusal_still_protects_its_folder() -> None:
    """A service that cannot be adopted and uses the folder of one that could."""
    one = node("antnode0001", 1)
    wrapper = FoundUnit(
        manager="systemd", name="antnode-old.service", place="/etc/systemd/system/antnode-old.service",
        argv=("/usr/bin/nice", *(one.argv or ())[:3]), user="ant",
    )  # fmt: skip
    assert classify([one, wrapper], seen(one, wrapper)).refused[0].reason == (
        f"its root directory {SERVICES}/antnode0001 is also that of "
        "antnode-old.service (/etc/systemd/system/antnode-old.service)"
    )


def test_paths_of_interest_are_all_that_need_a_look() -> None:
    services = [node("antnode0001", 1), node("antnode0002", 2, root="/"), node("antnode0003", 3, root="../x")]
    root = f"{SERVICES}/antnode0001"
    assert paths_of_interest(services) == (SERVICES, root, f"{root}/antnode")


def test_many_nodes_are_judged_in_one_go() -> None:
    services = [node(f"antnode{number:04d}", number) for number in range(1, 1001)]
    found = classify(services, seen(*services))
    assert (len(found.adopted), found.refused, found.storages) == (1000, (), ())


PATHS = st.one_of(
    st.sampled_from(sorted(SYSTEM)),
    st.sampled_from(
        ["/mnt/x", "antnode0001", "/antnode0001", "/mnt/../antnode0001", "/home/antnode0001", ""]
    ),
    st.sampled_from(
        [
            f"{base}/antnode000{number}"
            for base in (SERVICES, "/mnt/a", "/mnt", "/etc")
            for number in (1, 2, 3)
        ]
    ),
    st.sampled_from(
        [f"{SERVICES}/antnode0001/antnode0002", f"{SERVICES}//antnode0001/", f"{SERVICES}/./antnode0001"]
    ),
)
NAMES = st.sampled_from(
    [
        "antnode0001",
        "antnode001",
        "antnode0002",
        "antnode2",
        "antnode0003",
        "antnode0000",
        "safenode001",
        "antnode@",
    ]
)
FACTS = st.builds(
    FolderFacts,
    path=st.just("/unused"),
    exists=st.booleans(),
    is_folder=st.booleans(),
    is_link=st.booleans(),
    real=st.none() | PATHS,
    owner=st.sampled_from(["ant", "root", None]),
    folders=st.sampled_from([(), ("record_store",), (".git",), ("antnode0002",)]),
    unseen=st.sampled_from([None, "its disk does not answer"]),
)


def folder_of(service: FoundUnit) -> str:
    """The root directory that one of the machine's services names, however it is written."""
    return posixpath.normpath((service.argv or ("",) * 3)[2])


@st.composite
def machines(draw: st.DrawFn) -> tuple[list[FoundUnit], dict[str, FolderFacts]]:
    """A few services with odd paths, and odd facts of these."""
    services = []
    for number in range(draw(st.integers(1, 4))):
        name, root = draw(NAMES), draw(PATHS)
        service = node(name, draw(st.integers(1, 3)), root=root or "/x", place=f"/units/{number}")
        program = draw(st.sampled_from([f"{root}/antnode", "/usr/bin/antnode", f"{root}/../antnode"]))
        services.append(replace(service, argv=(program, *(service.argv or ())[1:])))
    paths = {path for each in services for path in paths_of_interest([each])}
    facts = {path: replace(draw(FACTS), path=path) for path in sorted(paths) if draw(st.booleans())}
    return services, facts


@given(machines())
def test_no_folder_is_ever_adopted_that_is_not_plainly_one_nodes_own(
    machine: tuple[list[FoundUnit], dict[str, FolderFacts]],
) -> None:
    services, facts = machine
    found = classify(services, seen(*services, facts=facts))
    assert len(found.adopted) + len(found.refused) == len(services)
    rows = [each.row for each in found.adopted]
    roots = [each.root_dir for each in rows]
    assert len({each.id for each in rows}) == len(set(roots)) == len(roots)
    assert len({each.port for each in rows}) == len(roots)
    held = {SERVICES, *found.storages}
    for each in rows:
        assert each.root_dir not in SYSTEM
        assert posixpath.basename(each.root_dir) == each.name
        assert id_in_name(each.name) == each.id
        assert posixpath.normpath(each.root_dir) == each.root_dir
        assert posixpath.dirname(each.root_dir) in held - {"/"}
        assert each.program.startswith(f"{each.root_dir}/")
        assert each.log_dir.startswith((f"{each.root_dir}/", "/var/log/antnode/antnode"))
        known = facts.get(each.root_dir)
        if known is not None and known.unseen is None and known.exists:
            assert (known.is_link, known.is_folder, known.owner) == (False, True, "ant")
            assert known.folders in ((), ("record_store",))
        alive = [folder_of(one) for one in services if "@" not in one.name]
        around = [one for one in alive if one not in SYSTEM and f"{each.root_dir}/".startswith(f"{one}/")]
        assert around == [each.root_dir]
    for folder in held:
        assert not any(other.startswith(f"{folder}/") for other in held)
    for refusal in found.refused:
        assert refusal.reason.isprintable()
