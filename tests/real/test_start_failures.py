"""A real node that cannot start: the cause, who is in the way, and what to type, in one line without colours."""

import os
import signal
import subprocess
import sys

import pytest
from tests.real.machine import PORTS, Machine, Result

FIRST = "antnode0001"


def stopped(machine: Machine) -> None:
    """One node that ran once, and is at rest."""
    machine.bring_up(1)
    assert machine.wnm("--force_action", "stop", "--service_name", FIRST, "--confirm").code == 0
    machine.until(lambda: not machine.processes(), "the stop")


def start(machine: Machine) -> Result:
    """Start the node by hand."""
    result = machine.wnm("--force_action", "start", "--service_name", FIRST, "--confirm")
    assert "\x1b" not in result.err + result.out
    assert "main.rs" not in result.err + result.out
    return result


def test_its_port_is_taken(machine: Machine) -> None:
    stopped(machine)
    bind = f"import socket, time; s = socket.socket(2, 2); s.bind(('127.0.0.1', {PORTS}001))"
    code = f"{bind}; print(flush=True); time.sleep(99)"
    taker = subprocess.Popen(
        machine.as_operator(sys.executable, "-c", code), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert taker.stdout is not None
    try:
        taker.stdout.readline()
        said = start(machine).err
        # The taker is in another namespace of users than wnm, which may not look into it.
        assert f"UDP port {PORTS}001 cannot be opened: a process of another account holds it" in said
    finally:
        taker.kill()
        taker.wait()
        taker.stdout.close()
    assert start(machine).code == 0
    machine.cycles_until(lambda: machine.running() == 1, "the node after its port was free")


def test_its_key_is_damaged(machine: Machine) -> None:
    stopped(machine)
    key = machine.nodes / FIRST / "node_identity.key"
    content = key.read_bytes()
    key.write_bytes(content[:40960])
    result = start(machine)
    assert result.code == 3
    assert "is empty or damaged" in result.err
    assert f"wnm --force_action remove --service_name {FIRST}" in result.err
    key.write_bytes(content)
    assert start(machine).code == 0


@pytest.mark.parametrize("wrong", ["--bogus", "--log-level=loud"])
def test_its_arguments_are_wrong(machine: Machine, wrong: str) -> None:
    machine.init(1, start_args=f"--ipv4-only {wrong}")
    said: list[str] = []

    def refused() -> bool:
        said.append(machine.cycle().err)
        return "does not take its arguments" in said[-1]

    machine.until(refused, "the refusal")
    assert "mend start_args" in said[-1]
    assert "\x1b" not in said[-1]


def test_it_is_told_to_stop_by_somebody_else(machine: Machine) -> None:
    machine.bring_up(1)
    (pids,) = machine.processes().values()
    os.kill(pids[0], signal.SIGTERM)
    machine.until(lambda: not machine.processes(), "its end")
    said = machine.cycle()
    machine.cycles_until(lambda: machine.running() == 1, "its return")
    assert "unexpectedly" not in said.err + said.out
    assert "told to stop" in machine.wnm("history").out
