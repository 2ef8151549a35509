"""Killed at any moment, wnm goes on where it was: units, rules, processes, folders and rows agree in the end."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from tests.systemd.life import Life, as_root, children, do, offer, with_sudo
from tests.waiting import eventually

AT_ONCE = tuple(f"--max_concurrent_{kind}=3" for kind in ("starts", "upgrades", "removals", "operations"))
LIVES = {"root": as_root, "a user with sudo": with_sudo}
ROUNDS = 10
# A cycle that starts, upgrades or removes takes about this long on an idle machine.
LONGEST_SECONDS = 1.5
ALL, FIRST, LAST = slice(None), slice(1), slice(-1, None)


@pytest.fixture(params=LIVES)
def life(request: pytest.FixtureRequest) -> Iterator[Life]:
    """That of an account whose nodes are services of the system, with a firewall that is on."""
    made: Life = LIVES[request.param]()
    offer("0.4.1")
    do("ufw", "--force", "enable")
    try:
        made.init(keep_keys=False)
        yield made
    finally:
        made.end()
        do("ufw", "disable")


def kill(process: subprocess.Popen[str], which: slice) -> None:
    """`kill -9` of `wnm` and of those to whom it handed its cycle over, the last as root; not of what they run."""
    victims = [process.pid]
    with suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "wnm.cli.elevated" in child.cmdline():
                    victims.append(child.pid)
    for pid in victims[which]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)


def elevated() -> list[int]:
    """The cycles that run as root for somebody else."""
    found = psutil.process_iter(["pid", "cmdline"])
    return [each.info["pid"] for each in found if "wnm.cli.elevated" in (each.info["cmdline"] or [])]


@pytest.mark.slow
def test_whatever_it_was_doing_the_next_cycles_put_right(life: Life) -> None:
    chance = random.Random(20)
    killed = 0
    for number in range(1, ROUNDS + 1):
        if number % 3 == 0:
            offer(f"0.4.{number}")
        process = life.begin(f"--node_cap={chance.choice((0, 1, 3, 3))}", *AT_ONCE)
        time.sleep(0.2 + chance.random() * LONGEST_SECONDS)
        killed += process.poll() is None
        kill(process, chance.choice((ALL, ALL, FIRST, LAST)))
    assert killed >= ROUNDS / 4
    # What it ran itself when it was killed may still be at work, and so may the part that was not killed.
    eventually(lambda: not elevated())
    eventually(lambda: do("systemctl", "list-jobs", "--no-legend") == "")
    life.bring_up(2, *AT_ONCE, at_most=8)
    new = f"0.4.{ROUNDS}"
    offer(new)
    life.cycles_until(
        lambda: life.versions() == [new] * 2 and set(life.statuses().values()) == {"RUNNING"}, at_most=5
    )
    assert life.disagreements() == []
    units = do("systemctl", "list-units", "--all", "--plain", "--no-legend", "antnode*").split("\n")
    assert sorted(line.split()[0] for line in units if line) == [
        f"{each}.service" for each in life.unit_names()
    ]
    assert do("systemctl", "list-units", "--plain", "--no-legend", "--state=failed", "antnode*") == ""
    unfinished = [each for each in (*children(life.units), *children(life.links)) if each.startswith(".")]
    assert unfinished == []
    for node_id in life.rows():
        assert [each for each in children(life.folder(node_id)) if each.startswith(".")] == []
