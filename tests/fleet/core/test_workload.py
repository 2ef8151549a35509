"""States of workloads and what follows an end, as tables."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from wnm.core.codec import from_json, to_json
from wnm_fleet.core.workload import (
    TRANSITIONS,
    End,
    EndKind,
    GpuIndices,
    Mount,
    Outcome,
    Port,
    Restart,
    Spec,
    State,
    Workload,
    after_end,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
RUNNING = Workload(
    id="w1", spec=Spec(image="app"), owner="somebody", state=State.RUNNING, submitted_at=NOW, attempt=1
)
AGAIN = replace(RUNNING, spec=Spec(image="app", restart=Restart.ON_FAILURE, most_restarts=2))


def end(kind: EndKind = EndKind.EXITED, code: int | None = 1) -> End:
    return End(kind=kind, at=NOW, exit_code=code)


def paused(seconds: float) -> Outcome:
    return Outcome(state=State.PENDING, not_before=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("workload", "how", "outcome"),
    [
        (RUNNING, end(code=0), Outcome(state=State.COMPLETED)),
        (RUNNING, end(code=3), Outcome(state=State.FAILED)),
        (AGAIN, end(code=0), Outcome(state=State.COMPLETED)),
        (AGAIN, end(code=3), paused(10)),
        (replace(AGAIN, attempt=2), end(code=3), paused(20)),
        (replace(AGAIN, attempt=3), end(code=3), Outcome(state=State.FAILED)),
        (AGAIN, end(EndKind.OOM_KILLED, 137), paused(10)),
        (AGAIN, end(EndKind.NOT_STARTED, None), paused(10)),
        (AGAIN, end(EndKind.WORKLOAD_TIMEOUT, 143), Outcome(state=State.FAILED)),
        (AGAIN, end(EndKind.IMAGE_NOT_FOUND, None), Outcome(state=State.FAILED)),
        (AGAIN, end(EndKind.CANCELLED, 143), Outcome(state=State.CANCELLED)),
    ],
)
def test_what_follows_an_end(workload: Workload, how: End, outcome: Outcome) -> None:
    assert after_end(workload, how) == outcome
    assert outcome.state in TRANSITIONS[workload.state]


def test_pauses_grow_to_five_minutes_and_no_further() -> None:
    patient = replace(AGAIN, spec=Spec(image="app", restart=Restart.ON_FAILURE, most_restarts=99), attempt=40)
    assert after_end(patient, end()) == paused(300)


def test_states_that_are_over_hold_nothing() -> None:
    assert [state for state in State if state.is_over] == [State.COMPLETED, State.FAILED, State.CANCELLED]
    assert [state for state in State if state.holds_gpus] == [State.STARTING, State.RUNNING, State.LOST]


def test_a_workload_is_read_back_as_it_was_written() -> None:
    spec = Spec(
        image="app@sha256:0",
        gpus=GpuIndices(indices=(0, 1)),
        mounts=(Mount(source="/data", target="/in", is_read_only=True),),
        ports=(Port(container=80),),
        timeout=timedelta(hours=48),
    )
    whole = replace(RUNNING, spec=spec, end=end())
    assert from_json(Workload, to_json(whole)) == whole
