"""Nodes come back after a restart and after a power cut, each once, and those that were to stay down stay down."""

import json
import time
from typing import Any

import pytest
from tests.systemd.container import Machine

# What is asked runs in the machine, as root; the names are those of its lives.
ASKING = """
import json, sys
from dataclasses import replace
from tests.systemd.life import UP, added_rules, as_root, do, name, of_a_user, offer
root = as_root()
user = replace(of_a_user(), scope="none", wishes={"process_manager": "setsid", "firewall": "null",
    "port_start": 58, "metrics_port_start": 18})
print(json.dumps(eval(sys.argv[1])))
"""
WNM = "/opt/wnm-venv/bin/wnm"
AT_ONCE = ("--max_concurrent_starts=3", "--max_concurrent_operations=3")
LIVES = {"root": ("root", "/root"), "user": ("operator", "/home/operator")}
# Seconds after the start of a cycle that adds a node.
MOMENTS = (0.45, 0.8, 1.2)


def ask(machine: Machine, expression: str) -> Any:
    """The value of a Python expression in the machine, in which `root` and `user` are lives."""
    return json.loads(machine.do("python", "-c", ASKING, expression, timeout=120).splitlines()[-1])


def ids(machine: Machine, life: str, status: str) -> list[str]:
    """The names of the nodes in that status."""
    rows: dict[str, str] = ask(machine, f"{life}.statuses()")
    return [f"antnode{int(node_id):04d}" for node_id, found in rows.items() if found == status]


def wait_for_processes(machine: Machine, names: list[str]) -> None:
    """Return when exactly these nodes of root's have a process; wnm does nothing for it."""
    end = time.monotonic() + 20
    while sorted(found := ask(machine, "root.pids()")) != names:
        assert time.monotonic() < end, (found, names)
        time.sleep(0.25)


def two_cycles(machine: Machine, life: str, names: list[str]) -> None:
    """Run at most two cycles; after them all these nodes have to be up, those that were started just now too."""
    up = f"{{name(each) for each, status in {life}.statuses().items() if status in UP}}"
    ask(machine, f"len({life}.cycles_until(lambda: {{*{names}}} <= {up} & {{*{life}.pids()}}, at_most=2))")


@pytest.fixture
def alive(machine: Machine) -> Machine:
    """A machine with two nodes of root's that run and a disabled one, and two of a user's without systemd."""
    ask(machine, "[offer(), do('ufw', '--force', 'enable')]")
    ask(machine, f"[root.init(node_cap=3).code, root.good(*{AT_ONCE}).code, root.bring_up(3)]")
    ask(machine, "root.good('--force_action=disable', '--count=1', '--node_cap=2').code")
    ask(machine, f"[user.init(node_cap=2).code, user.good(*{AT_ONCE}).code, user.bring_up(2)]")
    assert ask(machine, "[root.disagreements(), user.disagreements()]") == [[], []]
    return machine


def assert_each_is_there_once(machine: Machine) -> None:
    """No process, unit, rule or row is there twice, and none is left over."""
    assert ask(machine, "[root.disagreements(), user.disagreements()]") == [[], []]
    rules = ask(machine, "added_rules()")
    assert len(rules) == len(set(rules))


@pytest.mark.slow
def test_what_ran_runs_again_after_a_restart_and_what_was_disabled_does_not(alive: Machine) -> None:
    running, disabled = ids(alive, "root", "RUNNING"), ids(alive, "root", "DISABLED")
    users = ids(alive, "user", "RUNNING")
    born = ask(alive, "[node.peer_id for node in root.rows().values()]")
    alive.restart()
    wait_for_processes(alive, running)
    two_cycles(alive, "root", running)
    two_cycles(alive, "user", users)
    ask(alive, "[root.good().code, user.good().code]")
    assert (ids(alive, "root", "RUNNING"), ids(alive, "root", "DISABLED")) == (running, disabled)
    assert ids(alive, "user", "RUNNING") == users
    assert ask(alive, "[node.peer_id for node in root.rows().values()]") == born
    assert_each_is_there_once(alive)


@pytest.mark.slow
def test_power_cuts_in_the_middle_of_adding_leave_nothing_twice_and_nothing_half(alive: Machine) -> None:
    disabled = ids(alive, "root", "DISABLED")
    running = {life: ids(alive, life, "RUNNING") for life in LIVES}
    for cap, moment in enumerate(MOMENTS, start=3):
        for user, home in LIVES.values():
            words = f"env -i PATH=/usr/bin:/bin HOME={home} {WNM} --node_cap={cap} {' '.join(AT_ONCE)}"
            alive.do("sh", "-c", f"{words} >/dev/null 2>&1 &", user=user)
        time.sleep(moment)
        alive.crash()
        for life in LIVES:
            two_cycles(alive, life, running[life])
            running[life] = ids(alive, life, "RUNNING")
        assert ids(alive, "root", "DISABLED") == disabled
    for life in LIVES:
        all_of_them = f"list({life}.statuses().values()).count('RUNNING') == {len(MOMENTS) + 2}"
        ask(
            alive,
            f"len({life}.cycles_until(lambda: {all_of_them}, '--node_cap={len(MOMENTS) + 2}', at_most=6))",
        )
    assert_each_is_there_once(alive)
