"""The queue: tables of who starts where and why the others wait, and properties that hold for any queue."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from wnm_fleet.core.decide.admit import (
    Admission,
    Amounts,
    Lack,
    Offer,
    OfferedGpu,
    Start,
    Wait,
    WaitKind,
    admit,
    needs,
)
from wnm_fleet.core.gpu import FaultKind
from wnm_fleet.core.workload import AllGpus, GpuCount, GpuIndices, GpuWish, Priority, Spec, State, Workload

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
GIB = 1024**3
DEFAULT = 2 * GIB
PLENTY = Amounts(memory_bytes=64 * GIB, cores=16.0, disk_bytes=500 * GIB)


def job(name: str, age: int = 0, **spec: object) -> Workload:
    """A pending workload that was submitted `age` minutes ago."""
    return Workload(
        id=name,
        spec=Spec(image="app", **spec),  # type: ignore[arg-type]
        owner="somebody",
        state=State.PENDING,
        submitted_at=NOW - timedelta(minutes=age),
        memory_bytes=spec.get("memory_bytes", DEFAULT),  # type: ignore[arg-type]
    )


def gpus(model: str, count: int, taken: int = 0, start: int = 0) -> tuple[OfferedGpu, ...]:
    """GPUs of one model, the first ones taken."""
    return tuple(
        OfferedGpu(uuid=f"{model}-{number}", index=number, model=model, is_free=number >= start + taken)
        for number in range(start, start + count)
    )


def machine(
    name: str, *has: tuple[OfferedGpu, ...], free: Amounts = PLENTY, closed: str | None = None
) -> Offer:
    """A machine with GPUs whose UUIDs begin with its name."""
    own = tuple(replace(gpu, uuid=f"{name}/{gpu.uuid}") for some in has for gpu in some)
    return Offer(machine=name, free=free, most=PLENTY, gpus=own, closed=closed)


def decide(pending: list[Workload], offers: list[Offer]) -> Admission:
    return admit(pending, offers, NOW)


def kinds(found: Admission) -> dict[str, WaitKind]:
    return {wait.workload: wait.kind for wait in found.waits}


def started(found: Admission) -> list[str]:
    return [start.workload for start in found.starts]


def test_a_workload_gets_as_many_gpus_as_it_asked_for() -> None:
    found = decide([job("a", gpus=GpuCount(count=2))], [machine("m", gpus("A100", 4, taken=1))])
    assert found.starts == (Start(workload="a", machine="m", gpu_uuids=("m/A100-1", "m/A100-2")),)


@pytest.mark.parametrize(
    ("wish", "uuids"),
    [
        (GpuCount(count=1, model="h100"), ("m/NVIDIA H100-2",)),
        (GpuCount(count=3), ("m/A100-0", "m/A100-1", "m/NVIDIA H100-2")),
        (GpuCount(count=2), ("m/A100-0", "m/A100-1")),
        (GpuCount(count=0), ()),
        (GpuIndices(indices=(0, 2)), ("m/A100-0", "m/NVIDIA H100-2")),
        (AllGpus(), ("m/A100-0", "m/A100-1", "m/NVIDIA H100-2")),
    ],
    ids=["a model, in any case", "mixed when no model has enough", "of one model", "none", "by index", "all"],
)
def test_the_wish_says_which_gpus(wish: GpuWish, uuids: tuple[str, ...]) -> None:
    mixed = machine("m", gpus("A100", 2), gpus("NVIDIA H100", 1, start=2))
    assert decide([job("a", gpus=wish)], [mixed]).starts == (
        Start(workload="a", machine="m", gpu_uuids=uuids),
    )


def test_all_gpus_wait_while_one_is_taken() -> None:
    found = decide([job("a", gpus=AllGpus())], [machine("m", gpus("A100", 4, taken=1))])
    lack = Lack(what="gpus", wanted=4, free=3, most=4)
    assert found.waits == (Wait(workload="a", kind=WaitKind.LACKS, machine="m", lacks=(lack,)),)


def test_all_gpus_of_a_machine_without_any_are_never_there() -> None:
    assert kinds(decide([job("a", gpus=AllGpus())], [machine("m")])) == {"a": WaitKind.NEVER}


def test_the_tightest_machine_is_taken() -> None:
    small, large = machine("small", gpus("A100", 1)), machine("large", gpus("A100", 8))
    assert decide([job("a", gpus=GpuCount(count=1))], [large, small]).starts[0].machine == "small"


def test_priority_comes_first_and_then_age() -> None:
    wish = GpuCount(count=1)
    pending = [
        job("new", 1, gpus=wish),
        job("old", 9, gpus=wish),
        job("low", 99, gpus=wish, priority=Priority.LOW),
        job("high", 0, gpus=wish, priority=Priority.HIGH),
    ]
    found = decide(pending, [machine("m", gpus("A100", 3))])
    assert started(found) == ["high", "old", "new"]
    assert kinds(found) == {"low": WaitKind.LACKS}


def test_small_ones_do_not_starve_a_large_one() -> None:
    pending = [job("large", 9, gpus=GpuCount(count=4)), job("small", 1, gpus=GpuCount(count=1))]
    found = decide(pending, [machine("m", gpus("A100", 4, taken=2))])
    assert found.starts == ()
    assert found.waits[1] == Wait(workload="small", kind=WaitKind.BEHIND, machine="m", behind="large")


def test_another_model_is_not_held_by_the_queue_of_the_first() -> None:
    pending = [
        job("a", 9, gpus=GpuCount(count=4, model="A100")),
        job("h", 1, gpus=GpuCount(count=1, model="H100")),
    ]
    mixed = machine("m", gpus("A100", 4, taken=1), gpus("H100", 1, start=4))
    assert started(decide(pending, [mixed])) == ["h"]


def test_one_that_no_machine_could_hold_keeps_nobody_waiting_and_says_what_it_lacks() -> None:
    pending = [job("giant", 9, gpus=GpuCount(count=9)), job("small", 1, gpus=GpuCount(count=1))]
    found = decide(pending, [machine("m", gpus("A100", 4))])
    assert started(found) == ["small"]
    lack = Lack(what="gpus", wanted=9, free=4, most=4)
    assert found.waits == (Wait(workload="giant", kind=WaitKind.NEVER, machine="m", lacks=(lack,)),)


def test_a_gpu_with_a_fault_is_waited_for_and_not_given() -> None:
    hot = tuple(replace(gpu, is_free=False, fault=FaultKind.HOT) for gpu in gpus("A100", 1))
    found = decide([job("a", gpus=GpuCount(count=1))], [machine("m", hot)])
    assert kinds(found) == {"a": WaitKind.LACKS}


def test_memory_cores_and_disk_are_told_with_their_figures() -> None:
    little = Amounts(memory_bytes=GIB, cores=0.5, disk_bytes=0)
    found = decide([job("a", cores=2.0, disk_bytes=5)], [machine("m", free=little)])
    assert found.waits[0].lacks == (
        Lack(what="memory_bytes", wanted=DEFAULT, free=GIB, most=64 * GIB),
        Lack(what="cores", wanted=2.0, free=0.5, most=16.0),
        Lack(what="disk_bytes", wanted=5, free=0, most=500 * GIB),
    )


@pytest.mark.parametrize(
    ("workload", "offers", "kind"),
    [
        (job("a", machine="gone"), [machine("m")], WaitKind.NEVER),
        (job("a", machine="m"), [machine("m", closed="draining"), machine("n")], WaitKind.CLOSED),
        (job("a"), [], WaitKind.NEVER),
        (replace(job("a"), not_before=NOW + timedelta(seconds=1)), [machine("m")], WaitKind.PAUSE),
    ],
    ids=["pinned to an unknown machine", "pinned to a closed one", "no machine", "pause after a failure"],
)
def test_why_one_waits(workload: Workload, offers: list[Offer], kind: WaitKind) -> None:
    assert kinds(decide([workload], offers)) == {"a": kind}


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"memory_bytes": 40 * GIB}, "memory_bytes"),
        ({"cores": 9.0}, "cores"),
        ({"disk_bytes": 300 * GIB}, "disk_bytes"),
    ],
)
def test_what_one_takes_the_next_one_lacks(asked: dict[str, object], what: str) -> None:
    found = decide([job("a", 2, **asked), job("b", 1, **asked)], [machine("m")])
    assert started(found) == ["a"]
    assert [lack.what for lack in found.waits[0].lacks] == [what]


def test_a_pause_that_is_over_is_no_reason() -> None:
    assert started(decide([replace(job("a"), not_before=NOW)], [machine("m")])) == ["a"]


MODELS = ("A100", "H100")
WISHES = st.one_of(
    st.just(GpuCount(count=0)),
    st.builds(GpuCount, count=st.integers(0, 5), model=st.sampled_from((None, *MODELS))),
    st.just(AllGpus()),
    st.builds(
        GpuIndices, indices=st.lists(st.integers(0, 3), min_size=1, max_size=2, unique=True).map(tuple)
    ),
)


@st.composite
def queues(draw: st.DrawFn) -> tuple[list[Workload], list[Offer]]:
    """Some machines, partly taken, and some workloads that wait for them."""
    offers = []
    for number in range(draw(st.integers(1, 3))):
        has = tuple(
            OfferedGpu(
                uuid=f"m{number}-{index}",
                index=index,
                model=draw(st.sampled_from(MODELS)),
                is_free=draw(st.booleans()),
            )
            for index in range(draw(st.integers(0, 4)))
        )
        memory = draw(st.integers(0, 8)) * GIB
        free = Amounts(memory_bytes=memory, cores=draw(st.integers(0, 8)) * 1.0, disk_bytes=0)
        most = Amounts(memory_bytes=8 * GIB, cores=8.0, disk_bytes=0)
        closed = draw(st.sampled_from((None, None, None, "draining")))
        offers.append(Offer(machine=f"m{number}", free=free, most=most, gpus=has, closed=closed))
    pending = [
        job(
            f"w{number}",
            draw(st.integers(0, 5)),
            gpus=draw(WISHES),
            memory_bytes=draw(st.integers(0, 10)) * GIB,
            cores=draw(st.sampled_from((None, 1.0, 9.0))),
            priority=draw(st.sampled_from(Priority)),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    return pending, offers


@given(queues())
def test_nothing_is_given_twice_and_nothing_that_is_not_there(
    drawn: tuple[list[Workload], list[Offer]],
) -> None:
    pending, offers = drawn
    found = decide(pending, offers)
    by_name, specs = {offer.machine: offer for offer in offers}, {each.id: each for each in pending}
    given_gpus = Counter(uuid for start in found.starts for uuid in start.gpu_uuids)
    assert set(given_gpus.values()) <= {1}
    free = {gpu.uuid: offer.machine for offer in offers for gpu in offer.gpus if gpu.is_free}
    for start in found.starts:
        assert by_name[start.machine].closed is None
        assert {free.get(uuid) for uuid in start.gpu_uuids} <= {start.machine}
    for name, offer in by_name.items():
        here = [needs(specs[start.workload]) for start in found.starts if start.machine == name]
        assert sum(each.memory_bytes for each in here) <= max(offer.free.memory_bytes, 0)
        assert sum(each.cores for each in here) <= offer.free.cores


@given(queues())
def test_every_waiting_workload_is_told_of_once(drawn: tuple[list[Workload], list[Offer]]) -> None:
    pending, offers = drawn
    found = decide(pending, offers)
    assert sorted([*started(found), *kinds(found)]) == sorted(each.id for each in pending)


@given(queues(), st.randoms())
def test_the_order_in_which_they_are_told_does_not_matter(
    drawn: tuple[list[Workload], list[Offer]], shuffle: object
) -> None:
    pending, offers = drawn
    mixed = list(pending)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    assert decide(mixed, offers) == decide(pending, offers)


@given(queues())
def test_the_first_of_the_queue_starts_if_any_open_machine_has_what_it_asks(
    drawn: tuple[list[Workload], list[Offer]],
) -> None:
    pending, offers = drawn
    found = decide(pending, offers)
    order = sorted(pending, key=lambda each: (-each.spec.priority.rank, each.submitted_at, each.id))
    if order and started(decide([order[0]], offers)):
        assert order[0].id in started(found)


@given(queues())
def test_of_two_alike_the_earlier_never_waits_while_the_later_starts(
    drawn: tuple[list[Workload], list[Offer]],
) -> None:
    pending, offers = drawn
    twins = [each for first in pending for each in (first, replace(first, id=f"{first.id}-later"))]
    found = started(decide(twins, offers))
    assert all(f"{first.id}-later" not in found or first.id in found for first in pending)


@given(queues())
def test_one_that_can_never_run_changes_nothing_for_the_others(
    drawn: tuple[list[Workload], list[Offer]],
) -> None:
    pending, offers = drawn
    giant = job("giant", 99, gpus=GpuCount(count=99), priority=Priority.HIGH)
    with_it, without = decide([*pending, giant], offers), decide(pending, offers)
    assert with_it.starts == without.starts
    assert kinds(with_it) == kinds(without) | {"giant": WaitKind.NEVER}


@given(queues())
def test_what_waits_for_space_really_does_not_fit_alone(drawn: tuple[list[Workload], list[Offer]]) -> None:
    pending, offers = drawn
    by_id = {each.id: each for each in pending}
    taken = decide(pending, offers)
    alone = {name: kinds(decide([by_id[name]], offers)).get(name) for name in kinds(taken)}
    for wait in taken.waits:
        if wait.kind in (WaitKind.NEVER, WaitKind.CLOSED, WaitKind.PAUSE):
            assert alone[wait.workload] is wait.kind
