"""A dry run changes not one byte, and its plan is what the next cycle does."""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.cli.footprints import differences, footprint
from tests.cli.operator import BREATH_SECONDS, NEW, PATIENCE_SECONDS, Operator, Result, is_quiet
from tests.waiting import eventually

CPU = re.compile(r"^ *cpu +([0-9.]+) %", re.MULTILINE)
PLANNED = re.compile(r"^  (?! )(.*), because: (.*)$")


@contextmanager
def held_still(operator: Operator) -> Iterator[None]:
    """The nodes do nothing meanwhile, so that whatever changes is wnm's doing."""
    pids = operator.pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def changes_nothing(operator: Operator, *words: object) -> Result:
    """Run it and hold the whole home against what it was."""
    processes, before = operator.processes(), footprint(operator.home)
    result = operator.run("--dry_run", *words)
    assert differences(before, footprint(operator.home)) == []
    assert operator.processes() == processes
    return result


def quiet_plan(operator: Operator, *words: object) -> Result:
    """A dry run in which no busy CPU holds growth back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        said = operator.ask("--dry_run", *words)
        cpu = CPU.search(said.out)
        assert cpu, said
        if is_quiet(float(cpu[1])):
            return said
        assert time.monotonic() < deadline, said
        # The next reading is about the time since this one, and a survey by hand does nothing else.
        operator.good_cycle("--force_action", "survey")
        time.sleep(BREATH_SECONDS)


def planned(said: Result) -> list[tuple[str, str]]:
    """The actions of a plan with their reasons."""
    section = said.out.partition("\nwould do")[2].partition("\nwould hold back")[0]
    return [(match[1], match[2]) for line in section.splitlines() if (match := PLANNED.match(line))]


def done(operator: Operator) -> list[tuple[str, str]]:
    """The actions of the last cycle with their reasons."""
    return [(each["action"], each["because"]) for each in operator.report("decisions")["actions"]]


def a_node_is_missing(operator: Operator) -> list[object]:
    operator.kill(2)
    return []


def there_is_room(operator: Operator) -> list[object]:
    return ["--node-cap", 4]


def the_cap_is_lower(operator: Operator) -> list[object]:
    return ["--node_cap=1", "--max_concurrent_removals=2", "--max_concurrent_operations=2"]


def there_is_a_new_version(operator: Operator) -> list[object]:
    operator.offer(NEW)
    return []


def a_folder_is_gone(operator: Operator) -> list[object]:
    shutil.rmtree(operator.folder(3))
    return []


def it_is_asked_for_by_hand(operator: Operator) -> list[object]:
    return ["--force_action", "stop", "--count", 2]


def there_is_nothing_to_do(operator: Operator) -> list[object]:
    return []


@pytest.mark.parametrize(
    ("arrange", "count"),
    [
        (a_node_is_missing, 1),
        (there_is_room, 1),
        (the_cap_is_lower, 2),
        (there_is_a_new_version, 1),
        (a_folder_is_gone, 1),
        (it_is_asked_for_by_hand, 2),
        (there_is_nothing_to_do, 0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_plan_is_what_the_next_cycle_does(
    three: Operator, arrange: Callable[[Operator], list[object]], count: int
) -> None:
    words = arrange(three)
    with held_still(three):
        # Silence is no reason to act, so the plan is the same as with nodes that answer; only a new version
        # waits for one of them, because a silent node would prove nothing.
        changes_nothing(three, *words, "--poll_timeout=0.1")
        said = quiet_plan(three, *words, "--poll_timeout=0.1")
    assert said.code == 0, said
    plan = planned(quiet_plan(three, *words))
    assert planned(said) == ([] if arrange is there_is_a_new_version else plan)
    assert len(plan) == count, said.out
    assert three.unhurried_cycle(*words).code == 0
    assert done(three) == plan


def test_before_the_first_cycle(operator: Operator) -> None:
    operator.init(node_cap=3)
    said = changes_nothing(operator)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("dry run, nothing is changed")
    assert operator.in_storage() == []


def test_nothing_that_is_asked_for_happens(three: Operator) -> None:
    for words in (
        ("--force_action", "teardown"),
        ("--force_action", "remove", "--service_name", "antnode0001"),
        ("--force_action", "add", "--count", "2", "--node_cap", "9"),
        ("--force_action", "update_config", "--node_cap", "9"),
        ("--force_action", "survey"),
        ("--node_cap", "9", "--rewards_address", "donate"),
    ):
        with held_still(three):
            said = changes_nothing(three, *words, "--poll_timeout=0.1")
        assert said.code == 0, (words, said)
        assert said.out, words


def test_the_spelling_with_a_hyphen_and_the_environment_ask_for_it_too(operator: Operator) -> None:
    operator.init(node_cap=3)
    before = footprint(operator.home)
    assert operator.run("--dry-run").code == 0
    assert operator.run(env={"WNM_DRY_RUN": "true"}).code == 0
    assert differences(before, footprint(operator.home)) == []
    assert operator.processes() == []


def test_after_a_cycle_that_was_killed(operator: Operator) -> None:
    """Its write-ahead log lies beside the database and has to be read, and stays as it is."""
    operator.bring_up(2, stop_grace=20)
    older, youngest = operator.oldest_first()
    operator.order(youngest, ignore_term=True)
    log = operator.database.with_name("colony.db-wal")
    cycle = operator.begin("--node_cap=1")
    eventually(lambda: operator.statuses()[youngest] == "REMOVING")
    os.kill(cycle.pid, signal.SIGKILL)
    cycle.wait()
    assert log.stat().st_size > 0
    with held_still(operator):
        said = changes_nothing(operator, "--poll_timeout=0.1")
    assert said.code == 0, said
    plan = planned(operator.run("--dry_run"))
    assert plan
    assert planned(said) == plan
    assert log.stat().st_size > 0
    operator.good_cycle("--stop_grace=0.5")
    assert done(operator) == plan
    operator.cycles_until(lambda: list(operator.statuses()) == [older], at_most=2)


def test_while_a_cycle_runs(operator: Operator) -> None:
    operator.bring_up(1, stop_grace=20)
    operator.order(1, ignore_term=True)
    cycle = operator.begin("--node_cap=0")
    eventually(lambda: operator.statuses() == {1: "REMOVING"})
    with held_still(operator):
        assert changes_nothing(operator, "--poll_timeout=0.1").code == 0
    assert cycle.poll() is None
