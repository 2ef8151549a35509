"""What an operator asks for with --force_action, each verb once, and what is refused."""

import pytest
from tests.cli.footprints import contents, differences
from tests.cli.operator import NEW, OLD, Operator


def force(operator: Operator, action: str, *words: object) -> None:
    """Ask for it; it must be done."""
    operator.good_cycle("--force_action", action, *words)


def test_add(operator: Operator) -> None:
    operator.init(node_cap=4)
    force(operator, "add", "--count", 3)
    assert len(operator.pids()) == 3
    force(operator, "add")
    assert sorted(operator.statuses()) == [1, 2, 3, 4]
    refused = operator.cycle("--force_action", "add")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "node_cap 4" in refused.err
    assert len(operator.pids()) == 4


def test_stop_and_start(three: Operator) -> None:
    first, second, third = three.pids()
    force(three, "stop", "--service_name", "antnode0002")
    assert (three.pids(), three.statuses()[2]) == ([first, third], "STOPPED")
    force(three, "start", "--service_name", "antnode0002.service")
    assert len(three.pids_of(2)) == 1
    assert three.pids_of(2) != [second]
    force(three, "start", "--service_name", "antnode0001")
    assert three.pids_of(1) == [first]
    three.cycles_until(lambda: three.running() == 3, at_most=2)
    (oldest, *_), pids = three.oldest_first(), three.pids()
    force(three, "stop", "--count", 2)
    assert three.pids() == [pids[oldest - 1]]


def test_restart(three: Operator) -> None:
    before = three.pids()
    force(three, "restart", "--service_name", "antnode0001,antnode0003")
    after = three.pids()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, False]
    three.cycles_until(lambda: three.running() == 3, at_most=2)


def test_upgrade(three: Operator) -> None:
    three.offer(NEW)
    oldest, second, youngest = three.oldest_first()
    force(three, "upgrade", "--count", 2)
    assert three.versions() == {oldest: NEW, second: NEW, youngest: OLD}
    assert len(three.pids()) == 3


def test_a_named_node_is_taken_back_to_a_lower_version(operator: Operator) -> None:
    operator.bring_up(1)
    operator.offer("0.4.9")
    force(operator, "upgrade", "--service_name", "antnode0001")
    operator.cycles_until(lambda: operator.remembered()[1].version == "0.4.9", at_most=2)
    assert operator.statuses() == {1: "RUNNING"}


def test_remove_named(three: Operator) -> None:
    others = [*three.pids_of(1), *three.pids_of(3)]
    before = contents(three.database.parent)
    refused = three.cycle("--force_action", "remove", "--service_name", "antnode0002")
    assert refused.code == 2
    assert "--confirm" in refused.err
    assert differences(before, contents(three.database.parent)) == []
    force(three, "remove", "--service_name", "antnode0002", "--confirm")
    assert three.pids() == others
    assert not three.folder(2).exists()
    assert sorted(three.statuses()) == [1, 3]


def test_remove_by_count_takes_the_youngest(operator: Operator) -> None:
    operator.init(node_cap=3)
    operator.cycles_until(lambda: operator.running() == 3, at_most=6)
    operator.good_cycle("--force_action", "remove", "--count", 2, "--node_cap", 1)
    assert operator.statuses() == {1: "RUNNING", 2: "REMOVING", 3: "REMOVING"}
    assert operator.pids() == operator.pids_of(1)
    operator.cycles_until(lambda: list(operator.statuses()) == [1], at_most=2)


def test_disable_and_enable(three: Operator) -> None:
    force(three, "disable", "--service_name", "antnode0002")
    assert (three.pids_of(2), three.statuses()[2]) == ([], "DISABLED")
    three.offer(NEW)
    three.cycles_until(lambda: three.versions()[3] == NEW, at_most=6)
    assert (three.pids_of(2), three.statuses()[2]) == ([], "DISABLED")
    refused = three.cycle("--force_action", "start", "--service_name", "antnode0002")
    assert refused.code == 2
    assert "enable --service_name antnode0002" in refused.err
    force(three, "enable", "--service_name", "antnode0002")
    three.cycles_until(lambda: len(three.pids_of(2)) == 1, at_most=2)


def test_survey(three: Operator) -> None:
    pids = three.pids()
    force(three, "survey")
    assert three.pids() == pids
    assert three.report("decisions")["rule"] == "by hand"


def test_update_config(three: Operator) -> None:
    pids, cycle = three.pids(), three.report("decisions")["cycle"]
    changed = three.good_cycle("--force_action", "update_config", "--node_cap", 9)
    assert "node_cap: 3 -> 9" in changed.err
    assert three.report("machine-config")["settings"]["node_cap"]["value"] == 9
    assert three.report("decisions")["cycle"] == cycle
    assert three.pids() == pids
    again = three.good_cycle("--force_action", "update_config", "--node_cap", 9)
    assert "->" not in again.err


def test_teardown_leaves_no_process_folder_or_database(three: Operator) -> None:
    refused = three.cycle("--force_action", "teardown")
    assert (refused.code, len(three.pids())) == (2, 3)
    force(three, "teardown", "--confirm")
    assert three.processes() == []
    for made in (three.nodes, three.logs, three.database.parent):
        assert not made.exists()
    assert len(list(three.keys.glob("*/secret-key"))) == 3
    three.init(node_cap=1)
    three.cycles_until(lambda: three.running() == 1, at_most=2)


def test_a_teardown_that_runs_out_of_time_says_so_and_is_gone_on_with(three: Operator) -> None:
    hurried = ("--this_action_delay", 3000, "--cycle_timeout", 5)
    cut_short = three.cycle("--force_action", "teardown", "--confirm", *hurried)
    assert cut_short.code == 1
    assert "left for later" in cut_short.err
    assert three.database.exists()
    assert len(three.pids()) == len(three.rows()) > 0
    force(three, "teardown", "--confirm", "--cycle_timeout", 50)
    assert three.processes() == []
    assert not three.database.exists()


@pytest.mark.parametrize("name", ["antnode0009", "antnode0001,antnode0009"])
def test_a_node_that_is_not_there_is_named_and_nothing_is_done(three: Operator, name: str) -> None:
    pids = three.pids()
    refused = three.cycle("--force_action", "stop", "--service_name", name)
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert "antnode0009" in refused.err
    assert "antnode0003" in refused.err
    assert three.pids() == pids


def test_a_request_that_is_refused_keeps_no_setting_either(three: Operator) -> None:
    before = contents(three.database.parent)
    words = ("--node_cap", 9, "--force_action", "stop", "--service_name", "antnode0009")
    refused = three.cycle(*words)
    assert (refused.code, len(refused.lines)) == (2, 1), refused
    assert differences(before, contents(three.database.parent)) == []
