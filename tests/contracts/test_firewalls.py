"""What every firewall promises, on real rules where that is safe."""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.contracts.firewall_bench import UfwBench, needs_real, real, script, stand_in

from wnm.core.contracts import Firewall
from wnm.core.decide.firewall import port_changes
from wnm.core.errors import NeedsOperator, Transient
from wnm.core.observation import FirewallReading, PortRule
from wnm.firewall.null import NullFirewall
from wnm.firewall.ufw import UfwFirewall, ufw_active

ONE, TWO = "wnm antnode0001", "wnm antnode0002"
BENCHES: dict[str, Callable[[Path], AbstractContextManager[UfwBench]]] = {"stand-in": stand_in, "ufw": real}


@pytest.fixture(params=["stand-in", pytest.param("ufw", marks=needs_real)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UfwBench]:
    """A ufw that is switched on and has no rules."""
    with BENCHES[request.param](tmp_path) as made:
        yield made


@pytest.fixture(params=["null", "stand-in", pytest.param("ufw", marks=needs_real)])
def firewall(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Firewall]:
    """Every firewall that wnm has."""
    if request.param == "null":
        yield NullFirewall()
        return
    with BENCHES[request.param](tmp_path) as made:
        yield made.firewall()


def reading(firewall: Firewall) -> FirewallReading:
    """What the firewall sees, which it must."""
    seen = firewall.read()
    assert isinstance(seen, FirewallReading)
    return seen


def test_everything_can_be_done_twice(firewall: Firewall) -> None:
    active = reading(firewall).active
    for _ in range(2):
        firewall.open_port(55001, ONE)
    assert reading(firewall).own == ((PortRule(port=55001, comment=ONE),) if active else ())
    for _ in range(2):
        firewall.close_port(55001, ONE)
    assert reading(firewall) == FirewallReading(active=active)


def test_what_is_right_already_costs_nothing(bench: UfwBench) -> None:
    bench.firewall().open_port(55001, ONE)
    assert bench.calls() == ["status numbered", f"allow 55001/udp comment {ONE}"]
    firewall = bench.firewall()
    firewall.open_port(55001, ONE)
    firewall.close_port(55001, TWO)
    firewall.close_port(55002, ONE)
    firewall.open_port(55001, ONE)
    assert bench.calls() == ["status numbered"]
    for act in (firewall.close_port, firewall.open_port):
        act(55001, ONE)
        act(55001, ONE)
    delete = f"delete allow 55001/udp comment {ONE}"
    assert bench.calls() == [delete, f"allow 55001/udp comment {ONE}"]


def foreign_shapes(bench: UfwBench) -> None:
    """Rules of somebody else, some of which look much like ours."""
    for line in (
        "allow 22/tcp",
        "allow 55001/udp comment antnode0001",
        "allow 55002/udp",
        "allow 55003/udp comment 'my wnm antnode0003'",
        "allow 55004/udp comment 'wnm antnode0004 (mine)'",
        "allow log 55005/udp comment 'wnm antnode0005'",
        "limit 55006/udp comment 'wnm antnode0006'",
        "allow 55007/tcp comment 'wnm antnode0007'",
        "allow 55008 comment 'wnm antnode0008'",
        "allow 55000:55100/udp comment 'wnm antnode0009'",
        "allow proto udp from 10.0.0.0/8 to any port 55010 comment 'wnm antnode0010'",
        "allow proto udp from ::/0 to any port 55011",
        "allow proto udp from 0.0.0.0/0 to any port 55012 comment '# wnm antnode0012'",
        "deny 55013/udp comment 'wnm antnode0013'",
    ):
        bench.do(*shlex.split(line))


def test_rules_of_others_survive_everything(bench: UfwBench) -> None:
    foreign_shapes(bench)
    before = bench.everything()
    ports = {port: f"wnm antnode{port - 55000:04d}" for port in range(55001, 55013)}
    firewall = bench.firewall()
    assert reading(firewall).own == ()
    opened = reading(firewall).opened_by_others
    assert opened == {55001, 55002, 55003, 55004, 55005, 55006, 55011, 55012}
    for port, comment in ports.items():
        firewall.open_port(port, comment)
        bench.firewall().open_port(port, comment)
    assert {rule.port for rule in bench.seen().own} == set(ports) - opened
    assert bench.seen().opened_by_others == opened
    for port, comment in ports.items():
        firewall.close_port(port, comment)
        bench.firewall().close_port(port, comment)
    assert bench.everything() == before


def test_a_port_that_somebody_shut_stays_shut_and_is_told(bench: UfwBench) -> None:
    for word, port in (("deny", "55001"), ("reject", "55002"), ("deny log", "55003")):
        bench.do(*word.split(), f"{port}/udp")
        before = bench.everything()
        with pytest.raises(NeedsOperator) as caught:
            bench.firewall().open_port(int(port), ONE)
        assert bench.everything() == before
        assert caught.value.remedy == f"sudo ufw delete {word} {port}/udp"
        bench.do(*caught.value.remedy.split()[2:])
        bench.firewall().open_port(int(port), ONE)
        assert bench.seen().own[-1].port == int(port)


def test_a_rule_that_somebody_took_over_is_not_deleted(bench: UfwBench) -> None:
    firewall = bench.firewall()
    firewall.open_port(55001, ONE)
    bench.do("allow", "55001/udp", "comment", "now mine")
    before = bench.everything()
    firewall.close_port(55001, ONE)
    assert bench.everything() == before


def test_the_port_of_another_node_is_open_and_stays_its_own(bench: UfwBench) -> None:
    bench.firewall().open_port(55001, ONE)
    before = bench.everything()
    bench.firewall().open_port(55001, TWO)
    bench.firewall().close_port(55001, TWO)
    assert bench.everything() == before


def test_ipv6_comes_and_goes_with_ipv4(bench: UfwBench) -> None:
    firewall = bench.firewall()
    firewall.open_port(55001, ONE)
    lines = [
        line.partition("] ")[2] for line in bench.do("status", "numbered").splitlines() if "55001" in line
    ]
    assert [line.split(" ALLOW ")[0].rstrip() for line in lines] == ["55001/udp", "55001/udp (v6)"]
    firewall.close_port(55001, ONE)
    assert "55001" not in bench.everything()


@pytest.mark.parametrize("left", ["0.0.0.0/0", "::/0"])
def test_half_a_rule_is_seen_and_made_whole(bench: UfwBench, left: str) -> None:
    bench.do("allow", "proto", "udp", "from", left, "to", "any", "port", "55001", "comment", ONE)
    firewall = bench.firewall()
    assert reading(firewall).own == (PortRule(port=55001, comment=ONE, whole=False),)
    firewall.open_port(55001, ONE)
    assert bench.seen().own == (PortRule(port=55001, comment=ONE),)
    firewall.close_port(55001, ONE)
    assert bench.seen().own == ()


def test_half_a_rule_is_closed(bench: UfwBench) -> None:
    bench.do("allow", "proto", "udp", "from", "::/0", "to", "any", "port", "55001", "comment", ONE)
    bench.firewall().close_port(55001, ONE)
    assert bench.seen() == FirewallReading(active=True)


def test_beside_half_a_rule_of_somebody_else_nothing_is_overwritten(bench: UfwBench) -> None:
    bench.do("allow", "proto", "udp", "from", "0.0.0.0/0", "to", "any", "port", "55001", "comment", "mine")
    before = bench.everything()
    bench.do("allow", "proto", "udp", "from", "::/0", "to", "any", "port", "55001", "comment", ONE)
    with_ours = bench.everything()
    bench.firewall().open_port(55001, ONE)
    assert bench.everything() == with_ours
    bench.firewall().close_port(55001, ONE)
    assert bench.everything() == before


def test_without_ipv6_a_rule_for_ipv4_is_whole(bench: UfwBench) -> None:
    bench.look_after_ipv6(False)
    firewall = bench.firewall()
    firewall.open_port(55001, ONE)
    assert reading(firewall).own == (PortRule(port=55001, comment=ONE),)
    assert "(v6)" not in bench.everything()
    bench.look_after_ipv6(True)
    assert bench.seen().own == (PortRule(port=55001, comment=ONE, whole=False),)
    bench.firewall().open_port(55001, ONE)
    assert bench.seen().own == (PortRule(port=55001, comment=ONE),)


def test_what_drifted_is_seen_and_repaired(bench: UfwBench) -> None:
    wanted = {"antnode0001": 55001, "antnode0002": 55002, "antnode0003": 55003}
    for name, port in wanted.items():
        bench.firewall().open_port(port, f"wnm {name}")
    bench.firewall().open_port(55009, "wnm antnode0009")
    before = bench.seen()
    bench.do("delete", "allow", "55001/udp")
    bench.do("delete", "allow", "proto", "udp", "from", "::/0", "to", "any", "port", "55002")
    firewall = bench.firewall()
    for change in port_changes(reading(firewall), wanted):
        act = firewall.open_port if type(change).__name__ == "OpenPort" else firewall.close_port
        act(change.port, change.comment)
    expected = {PortRule(port=port, comment=f"wnm {name}") for name, port in wanted.items()}
    assert (
        set(bench.seen().own)
        == expected
        == set(before.own) - {PortRule(port=55009, comment="wnm antnode0009")}
    )
    assert port_changes(bench.seen(), wanted) == ()


def test_while_it_is_switched_off_nothing_is_opened_and_nothing_fails(bench: UfwBench) -> None:
    bench.firewall().open_port(55001, ONE)
    bench.do("disable")
    before = bench.do("show", "added")
    firewall = bench.firewall()
    seen = reading(firewall)
    assert (seen.active, seen.own) == (False, ())
    assert seen.note is not None
    assert "switched off" in seen.note
    assert ufw_active(bench.program) is False
    firewall.open_port(55002, TWO)
    firewall.close_port(55001, TWO)
    assert bench.do("show", "added") == before
    bench.do("--force", "enable")
    assert ufw_active(bench.program) is True
    assert bench.seen().own == (PortRule(port=55001, comment=ONE),)


def test_what_is_closed_while_it_is_switched_off_is_not_back_one_day(bench: UfwBench) -> None:
    foreign_shapes(bench)
    before = bench.everything()
    for port, comment in ((55101, ONE), (55102, TWO)):
        bench.firewall().open_port(port, comment)
    bench.do("disable")
    firewall = bench.firewall()
    assert reading(firewall).active is False
    for port, comment in ((55101, ONE), (55102, TWO), (55001, ONE), (55103, "wnm antnode0103")):
        for _ in range(2):
            firewall.close_port(port, comment)
    bench.do("--force", "enable")
    assert bench.everything() == before


def test_two_hundred_ports_are_one_call(bench: UfwBench) -> None:
    comments = {56000 + number: f"wnm antnode{number:04d}" for number in range(200)}
    bench.preload(comments)
    firewall = bench.firewall()
    seen = reading(firewall)
    assert {rule.port: rule.comment for rule in seen.own} == comments
    assert all(rule.whole for rule in seen.own)
    for port, comment in comments.items():
        firewall.open_port(port, comment)
    assert bench.calls() == ["status numbered"]


def test_eight_at_once_all_succeed(bench: UfwBench) -> None:
    firewall = bench.firewall()
    ports = {55001 + number: f"wnm antnode{number:04d}" for number in range(8)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(firewall.open_port, ports.keys(), ports.values()))
    assert {rule.port: rule.comment for rule in bench.seen().own} == ports
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(firewall.close_port, ports.keys(), ports.values()))
    assert bench.seen().own == ()


def test_a_rule_that_did_not_come_into_force_is_taken_back(bench: UfwBench) -> None:
    failing = script(
        bench.folder / "failing",
        f'{bench.ufw} "$@" || exit 1\n'
        'case $1 in allow) echo "iptables: Resource temporarily unavailable." >&2;; esac',
    )
    before = bench.everything()
    with pytest.raises(Transient, match="Resource temporarily unavailable"):
        bench.firewall(failing).open_port(55001, ONE)
    assert bench.everything() == before


@needs_real
def test_the_surroundings_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with real(tmp_path):
        (tmp_path / "gettext.py").write_text("raise SystemExit('not this one')")
        surroundings = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(tmp_path),
            "PYTHONHOME": str(tmp_path),
            "PYTHONWARNINGS": "error",
            "LANGUAGE": "de:fr",
            "LC_ALL": "de_DE.UTF-8",
        }
        for name, value in surroundings.items():
            monkeypatch.setenv(name, value)
        firewall = UfwFirewall()
        firewall.open_port(55001, ONE)
        assert reading(firewall).own == (PortRule(port=55001, comment=ONE),)
        assert ufw_active() is True
        monkeypatch.undo()  # what follows calls ufw itself


@needs_real
def test_the_rule_is_in_force(tmp_path: Path) -> None:
    """What ufw says comes from its files; this asks the kernel."""

    def in_force() -> list[str]:
        chains = (("iptables", "ufw-user-input"), ("ip6tables", "ufw6-user-input"))
        return [
            subprocess.run([tool, "-S", chain], capture_output=True, text=True, check=True).stdout
            for tool, chain in chains
        ]

    with real(tmp_path) as bench:
        bench.firewall().open_port(55001, ONE)
        assert all("-p udp -m udp --dport 55001 -j ACCEPT" in rules for rules in in_force())
        bench.firewall().close_port(55001, ONE)
        assert not any("55001" in rules for rules in in_force())
