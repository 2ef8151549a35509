"""Growth inside limits: the smallest of machine and cgroups decides, whatever the machine itself has."""

from msgspec.structs import replace
from tests.builders import GB, NOW, ago, briefly, cases, node, process, reasons, seen, settings

from wnm.core.decide.growth import NodeCost, one_more
from wnm.core.decide.ladder import decide
from wnm.core.node import ProcessState
from wnm.core.observation import Bound, Counters, Observation, rates

MACHINE = Bound(where="", total=16 * GB, used=3 * GB)


def box(used: float, total: float = 0.26) -> Bound:
    return Bound(where="/box", total=int(total * GB), used=int(used * GB))


def limited(*memory: Bound, pids: tuple[Bound, ...] = ()) -> dict[str, object]:
    """The readings of a machine with these bounds, as a survey makes them."""
    tightest = max(memory, key=lambda each: each.percent)
    return {
        "memory": tightest.percent,
        "memory_total_bytes": tightest.total,
        "pids": pids,
    }


def view(*memory: Bound, pids: tuple[Bound, ...] = (), nodes: int = 0) -> Observation:
    readings = limited(*memory, pids=pids)
    whole = seen([node(number) for number in range(1, nodes + 1)], **readings)
    return replace(whole, machine=replace(whole.machine, memory=memory))


def test_a_node_is_not_added_into_a_cgroup_that_has_no_room_for_it() -> None:
    assert briefly(decide(view(MACHINE, box(0.02)), settings(node_cap=1))) == "add 1"
    small = decide(view(MACHINE, box(0.12)), settings(node_cap=1))
    assert briefly(small) == ""
    assert "with one more node memory is" in reasons(small)


def test_a_full_cgroup_stops_nodes_however_much_the_machine_has() -> None:
    decision = decide(view(MACHINE, box(0.25), nodes=2), settings(node_cap=2))
    assert (decision.rule, briefly(decision)) == ("pressure", "shed 2")


def test_the_machine_decides_where_it_is_tighter() -> None:
    tight = Bound(where="", total=16 * GB, used=15 * GB)
    assert briefly(decide(view(tight, box(0.1, 8)), settings(node_cap=1))) == ""


@cases(
    "used, most, expected",
    {
        "room for one and no more": (20, 64, "add 1"),
        "none": (40, 64, ""),
        "much": (500, 30_000, "add 1, add 2"),
    },
)
def test_processes_are_bounded_too(used: int, most: int, expected: str) -> None:
    bound = Bound(where="/box", total=most, used=used)
    decision = decide(
        view(MACHINE, pids=(bound,)),
        settings(node_cap=2, max_concurrent_starts=2, max_concurrent_operations=2),
    )
    assert briefly(decision) == expected
    if expected != "add 1, add 2":
        assert "the cgroup /box would have" in reasons(decision)
        assert f"processes and threads of {most}" in reasons(decision)


def test_the_threads_of_a_node_are_what_nodes_have() -> None:
    running = node(1)
    hungry = process(ProcessState.RUNNING, running.node, threads=200)
    known = replace(running, reading=replace(running.reading, process=hungry))
    whole = seen([known], pids=(Bound(where="/box", total=400, used=210),))
    assert "would have 410 processes and threads of 400" in reasons(decide(whole, settings(node_cap=2)))


def test_one_more_node_counts_in_every_bound() -> None:
    machine = view(MACHINE, box(0.02)).machine
    then = one_more(machine, NodeCost(cores=0, memory_bytes=0.1 * GB, disk_bytes=0), None)
    assert [each.used for each in then.memory] == [int(3.1 * GB), int(0.12 * GB)]
    assert then.memory_percent == then.memory[1].percent


def counters(seconds: float, quota_seconds: float, **changes: object) -> Counters:
    made = Counters(
        boot_id="b",
        taken_at=ago(1 - seconds / 60),
        cpu_busy_seconds=10 + quota_seconds,
        cpu_total_seconds=10 + seconds * 16,
        quota_group="/box",
        quota_cores=0.5,
        quota_seconds=quota_seconds,
    )
    return replace(made, **changes)


def test_a_cgroup_that_uses_up_its_quota_is_busy_however_idle_the_machine_is() -> None:
    used = rates(counters(0, 0), counters(60, 27)).cpu_percent
    assert used == 90.0
    other = rates(counters(0, 0, quota_group="/other"), counters(60, 27)).cpu_percent
    assert isinstance(other, float)
    assert other < 5
    assert counters(60, 0).taken_at == NOW
