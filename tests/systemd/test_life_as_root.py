"""The life of root's nodes with a real systemd and ufw, between units and rules that are somebody else's."""

import grp
import os
import pwd
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.systemd.life import (
    SYSTEM_UNITS,
    Life,
    added_rules,
    as_root,
    children,
    directives,
    do,
    elsewhere,
    name,
    offer,
    shown,
)
from tests.waiting import eventually

BUSY = 75
BY_HAND = "[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n"
THEIR_UNITS = {SYSTEM_UNITS / f"{each}.service": BY_HAND for each in ("antnode0002", "antnode7")}
THEIR_RULES = ("allow 22/tcp", "deny 23/tcp", "allow 55004/udp comment theirs", "allow 55999/udp")
# The unit file of number 2 is somebody's, so nodes have these.
IDS = (1, 3, 4)


def theirs() -> tuple[object, ...]:
    """All that is not wnm's and that it could take for its own."""
    states = [
        (
            path.read_bytes(),
            path.stat().st_mtime_ns,
            shown(path.name, "ActiveState"),
            shown(path.name, "MainPID"),
        )
        for path in THEIR_UNITS
    ]
    links = {
        each.name: each.readlink()
        for each in (SYSTEM_UNITS / "multi-user.target.wants").iterdir()
        if each.name not in {f"{name(node_id)}.service" for node_id in (1, 3, 4, 5, 6)}
    }
    return states, links, [rule for rule in added_rules() if "'wnm " not in rule]


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    """Three nodes of root's."""
    root = as_root()
    offer()
    do("ufw", "--force", "enable")
    for rule in THEIR_RULES:
        do("ufw", *rule.split())
    for path, text in THEIR_UNITS.items():
        path.write_text(text)
        do("systemctl", "enable", "--now", path.name)
    before = theirs()
    try:
        root.init(node_cap=3)
        root.bring_up(3)
        yield root
        root.end()
        assert theirs() == before
    finally:
        root.end()
        for path in THEIR_UNITS:
            do("systemctl", "disable", "--now", path.name)
            path.unlink()
        do("systemctl", "daemon-reload")
        for rule in THEIR_RULES:
            do("ufw", "delete", *rule.split())
        do("ufw", "disable")


@pytest.fixture
def root(life: Life) -> Iterator[Life]:
    """Three nodes that run; whatever a test does, what is not wnm's is the same after it."""
    do("ufw", "--force", "enable")
    if list(life.statuses().values()) != ["RUNNING"] * 3 or len(life.pids()) != 3:
        life.bring_up(3)
    before = theirs()
    yield life
    assert theirs() == before
    assert life.disagreements() == []


def offer_newer(life: Life) -> str:
    """Put a newer program than all of them have where nodes take theirs from; returns its version."""
    newest = max(int(str(version).rpartition(".")[2]) for version in life.versions())
    version = f"0.4.{newest + 1}"
    offer(version)
    return version


def oldest_first(life: Life) -> list[int]:
    """The ids in the order of the nodes' birth."""
    return [int(node.id) for node in sorted(life.rows().values(), key=lambda node: (node.born, node.id))]


def mode_and_owners(path: Path) -> tuple[str, str, str]:
    """As `ls -l` shows them."""
    seen = path.lstat()
    return stat.filemode(seen.st_mode), pwd.getpwuid(seen.st_uid).pw_name, grp.getgrgid(seen.st_gid).gr_name


def test_root_has_the_firewall_that_is_switched_on(root: Life, tmp_path: Path) -> None:
    found = {}
    for state in ("enable", "disable"):
        do("ufw", "--force", state)
        other = elsewhere(tmp_path / state, block=57)
        other.init()
        found[state] = other.report("machine-config")["settings"]["firewall"]["text"]
    do("ufw", "--force", "enable")
    assert found == {"enable": "ufw", "disable": "null"}


def test_ids_that_units_of_others_have_are_left_out(root: Life) -> None:
    assert tuple(root.statuses()) == IDS
    assert children(root.nodes) == [name(node_id) for node_id in IDS]


def test_a_unit_file_is_roots_and_its_node_is_an_unprivileged_account_s(root: Life) -> None:
    for node_id in IDS:
        text = root.unit(node_id).read_text()
        assert mode_and_owners(root.unit(node_id)) == ("-rw-r--r--", "root", "root")
        assert "\nUser=ant\n" in text
        assert "\nSlice=wnm.slice\n" in text
        assert ("[Service]", "ExecStartPre") not in directives(text)
        assert root.link(node_id).readlink() == root.unit(node_id)
        assert do("systemctl", "is-enabled", name(node_id)).strip() == "enabled"


def test_files_have_the_owners_and_modes_that_are_promised(root: Life) -> None:
    private, nodes = ("-rw-------", "root", "root"), ("drwx------", "ant", "ant")
    assert mode_and_owners(root.data) == ("drwx--x--x", "root", "root")
    assert mode_and_owners(root.database) == private
    assert mode_and_owners(root.data / "wnm_active") == private
    for node_id in IDS:
        assert mode_and_owners(root.folder(node_id)) == nodes
        assert mode_and_owners(root.folder(node_id) / "antnode") == ("-rwxr-xr-x", "root", "root")
        assert mode_and_owners(root.folder(node_id) / "secret-key") == ("-rw-------", "ant", "ant")
        assert mode_and_owners(root.logs / name(node_id)) == nodes
        assert mode_and_owners(root.logs / f"{name(node_id)}.stdout.log") == private


def test_a_node_runs_as_its_account_in_the_slice_of_nodes(root: Life) -> None:
    for node_id in IDS:
        process = psutil.Process(root.pid(node_id))
        assert (process.username(), set(process.uids()), set(process.gids())) == (
            "ant",
            {process.uids().real},
            {process.gids().real},
        )
        groups = [
            each for each in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "Groups:" in each
        ]
        assert groups[0].split()[1:] in ([], [str(process.gids().real)])
        cgroup = Path(f"/proc/{process.pid}/cgroup").read_text()
        assert f"/wnm.slice/{name(node_id)}.service" in cgroup
        assert process.environ()["HOME"] == str(root.folder(node_id))


def test_each_node_has_one_rule_unless_its_port_is_open_already(root: Life) -> None:
    assert root.rules() == ["antnode0001", "antnode0003"]
    assert "ufw allow 55004/udp comment 'theirs'" in added_rules()


def test_its_exposure_is_less_than_half_of_what_systemd_counts(root: Life) -> None:
    do("systemd-analyze", "security", "--no-pager", "--threshold=50", name(1))


def test_an_unchanged_world_is_left_alone(root: Life) -> None:
    pids, seen = root.pids(), [root.unit(node_id).stat().st_mtime_ns for node_id in IDS]
    for _ in range(2):
        assert len(root.good().lines) == 1
    assert (root.pids(), [root.unit(node_id).stat().st_mtime_ns for node_id in IDS]) == (pids, seen)


def test_a_killed_node_is_back_within_two_cycles(root: Life) -> None:
    old = root.pid(3)
    os.kill(old, signal.SIGKILL)
    root.good()
    eventually(lambda: root.pids().get(name(3), [old]) != [old])
    root.good()
    assert root.statuses()[3] == "RUNNING"


def test_a_node_that_ends_by_itself_comes_back_without_wnm(root: Life) -> None:
    old = root.pid(1)
    os.kill(old, signal.SIGTERM)
    eventually(lambda: root.pids().get(name(1), [old]) != [old])
    root.good()


def test_a_node_that_was_stopped_behind_our_back_is_started_again(root: Life) -> None:
    do("systemctl", "kill", "--signal=KILL", name(4))
    do("systemctl", "stop", name(4))
    assert name(4) not in root.pids()
    root.cycles_until(lambda: root.statuses()[4] == "RUNNING" and name(4) in root.pids(), at_most=3)


def test_an_upgrade_takes_the_oldest_first_and_ends_its_old_process(root: Life) -> None:
    pids, order = root.pids(), oldest_first(root)
    root.one_at_a_time()
    new = offer_newer(root)
    upgraded: list[int] = []
    for _ in order:
        before = len(upgraded)
        while len(upgraded) == before:
            root.good()
            upgraded += [
                node_id
                for node_id, node in root.rows().items()
                if node.binary_version == new and node_id not in upgraded
            ]
    assert upgraded == order
    assert not any(psutil.pid_exists(pid) for each in pids.values() for pid in each)
    root.good()
    for node_id in IDS:
        assert mode_and_owners(root.folder(node_id) / "antnode") == ("-rwxr-xr-x", "root", "root")
        assert new in do(str(root.folder(node_id) / "antnode"), "--version")
    assert list(root.statuses().values()) == ["RUNNING"] * 3


def test_a_lower_cap_takes_the_youngest_with_everything_that_it_had(root: Life) -> None:
    youngest = oldest_first(root)[-1]
    root.cycles_until(lambda: youngest not in root.statuses(), "--node_cap=2", at_most=4)
    gone = name(youngest)
    assert not any(gone in each for each in (*children(root.units), *children(root.links)))
    assert not any(gone in each for each in (*children(root.nodes), *children(root.logs)))
    assert (gone in root.pids(), gone in root.rules()) == (False, False)
    assert do("systemctl", "list-units", "--all", "--no-legend", f"{gone}.service") == ""
    assert [each for each in children(root.keys) if each.startswith(f"{gone}-")]


def test_a_drop_in_outlives_an_upgrade_and_the_rewriting_of_the_unit(root: Life) -> None:
    drop_in = root.units / f"{name(1)}.service.d" / "mine.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nEnvironment=FROM_THE_OPERATOR=yes\nMemoryHigh=900M\n")
    try:
        text = root.unit(1).read_text()
        root.unit(1).write_text(text.replace("Restart=always", "Restart=no"))
        new = offer_newer(root)
        root.cycles_until(
            lambda: set(root.versions()) == {new},
            "--max_concurrent_upgrades=3",
            "--max_concurrent_operations=3",
            at_most=3,
        )
        root.good()
        assert root.unit(1).read_text() == text
        assert psutil.Process(root.pid(1)).environ()["FROM_THE_OPERATOR"] == "yes"
        assert (shown(name(1), "MemoryHigh"), shown(name(1), "NeedDaemonReload")) == (str(900 * 2**20), "no")
        assert drop_in.read_text().count("\n") == 3
    finally:
        drop_in.unlink()
        drop_in.parent.rmdir()
        do("systemctl", "daemon-reload")


def test_rules_that_were_lost_or_left_over_are_put_right(root: Life) -> None:
    wanted = sorted(added_rules())
    do("ufw", "delete", "allow", "55001/udp")
    do("ufw", "allow", "55888/udp", "comment", "wnm antnode0888")
    do("ufw", "allow", "55777/udp", "comment", "wnm and something else")
    root.good()
    do("ufw", "delete", "allow", "55777/udp", "comment", "wnm and something else")
    assert sorted(added_rules()) == wanted


def test_a_firewall_that_is_switched_off_is_said_once_and_set_up_when_it_is_on_again(root: Life) -> None:
    do("ufw", "disable")
    said = [root.good().err for _ in range(3)]
    assert [text.count("WARNING") for text in said] == [1, 0, 0]
    assert "ufw" in said[0]
    root.cycles_until(lambda: len(root.statuses()) == 4, "--node_cap=4", at_most=2)
    assert root.rules() == ["antnode0001", "antnode0003"]
    do("ufw", "--force", "enable")
    root.good()
    assert root.rules() == ["antnode0001", "antnode0003", "antnode0005"]


def test_five_upgrades_at_once_need_no_more_than_two_reloads(root: Life) -> None:
    at_once = [f"--max_concurrent_{kind}=5" for kind in ("upgrades", "operations")]
    root.bring_up(5)
    root.good("--force_action=update_config", *at_once)
    new = offer_newer(root)
    cursor = do("journalctl", "-q", "-n0", "--show-cursor").strip().removeprefix("-- cursor: ")
    root.good()
    root.good()
    assert root.versions() == [new] * 5
    lines = do("journalctl", "-q", "-o", "cat", "_PID=1", f"--after-cursor={cursor}").splitlines()
    assert sum(line.startswith("Reloading") and line.endswith("...") for line in lines) <= 2
    assert sum(line.startswith("Started antnode") for line in lines) == 5


def test_a_node_that_is_disabled_stays_down_and_does_not_start_with_the_machine(root: Life) -> None:
    root.good("--force_action=disable", "--service_name=antnode0003", "--node_cap=2")
    for _ in range(2):
        root.good()
    assert (root.statuses()[3], name(3) in root.pids(), root.link(3).is_symlink()) == (
        "DISABLED",
        False,
        False,
    )
    root.good("--force_action=enable", "--service_name=antnode0003", "--node_cap=3")
    root.cycles_until(lambda: root.statuses()[3] == "RUNNING", at_most=3)


def test_of_twelve_cycles_at_once_one_acts(root: Life) -> None:
    (root.folder(3) / "misbehave.json").write_text('{"ignore_term": true}')
    (root.folder(3) / "misbehave.json").chmod(0o644)
    eventually(lambda: "Behaviour is now" in (root.logs / name(3) / "antnode.log").read_text())
    runs = [
        root.begin(
            "--node_cap=0", "--max_concurrent_removals=3", "--max_concurrent_operations=3", "--stop_grace=3"
        )
        for _ in range(12)
    ]
    ended = [(*run.communicate(timeout=60), run.returncode) for run in runs]
    assert sorted(code for _, _, code in ended) == [0] + [BUSY] * 11, ended
    assert root.pids() == {}
    root.cycles_until(lambda: root.statuses() == {}, at_most=2)
