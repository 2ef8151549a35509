"""What keeps a GPU from taking work, as tables."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from wnm_fleet.core.gpu import (
    FATAL_XIDS,
    FaultKind,
    Gpu,
    GpuFault,
    GpuLook,
    Throttle,
    Xid,
    faults,
    offered,
    throttles_of,
    with_lost,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
COOL = Gpu(
    uuid="GPU-a", pci_bus_id="00000000:18:00.0", temperature_celsius=50, slowdown_celsius=87, throttles=()
)
OTHER = Gpu(uuid="GPU-b", pci_bus_id="00000000:2A:00.0", temperature_celsius=50, throttles=())
HOT = replace(COOL, temperature_celsius=87)
SLOWED = replace(COOL, throttles=(Throttle.HARDWARE_THERMAL,))
LOOK = GpuLook(at=NOW, source="nvml", gpus=(COOL, OTHER))
WHOLE = replace(COOL, is_mig_enabled=True)
PART = Gpu(uuid="MIG-1", parent="GPU-a", pci_bus_id="00000000:18:00.0")


@pytest.mark.parametrize(
    ("mask", "reasons"),
    [
        (0x0, ()),
        (0x1, ()),
        (0x2, ()),
        (0x44, (Throttle.POWER_CAP, Throttle.HARDWARE_THERMAL)),
        (0x1FF & ~0x103, tuple(Throttle)),
    ],
    ids=["none", "idle", "clocks that were set", "two", "all"],
)
def test_a_mask_of_nvml_is_the_throttles_in_it(mask: int, reasons: tuple[Throttle, ...]) -> None:
    assert throttles_of(mask) == reasons


@pytest.mark.parametrize(
    ("now", "before", "kinds"),
    [
        (COOL, COOL, []),
        (HOT, COOL, []),
        (COOL, HOT, []),
        (HOT, HOT, [FaultKind.HOT]),
        (SLOWED, HOT, [FaultKind.HOT]),
        (replace(COOL, throttles=(Throttle.POWER_CAP, Throttle.SOFTWARE_THERMAL)), HOT, []),
        (replace(HOT, temperature_celsius=None, throttles=None), HOT, []),
        (replace(COOL, slowdown_celsius=None, temperature_celsius=89), HOT, []),
        (replace(COOL, slowdown_celsius=None, temperature_celsius=90), HOT, [FaultKind.HOT]),
        (replace(HOT, is_lost=True), HOT, [FaultKind.LOST]),
    ],
    ids=[
        "cool",
        "hot once",
        "hot before",
        "hot twice",
        "slowed down by its hardware",
        "slowed down by software",
        "nothing told",
        "below the limit of those that tell none",
        "at the limit of those that tell none",
        "lost",
    ],
)
def test_heat_counts_when_two_looks_found_it(now: Gpu, before: Gpu, kinds: list[FaultKind]) -> None:
    assert [fault.kind for fault in faults((now,), (before,), LOOK, ())] == kinds


@pytest.mark.parametrize("code", sorted(FATAL_XIDS))
def test_a_fatal_xid_marks_the_gpu_at_that_place_and_no_other(code: int) -> None:
    xid = Xid(code=code, pci_bus_id="0000:18:00", at=NOW)
    expected = GpuFault(kind=FaultKind.XID, uuid="GPU-a", xid=code)
    assert faults((COOL, OTHER), (), LOOK, (xid,)) == (expected,)


@pytest.mark.parametrize("code", [13, 31, 43, 45, 63, 94])
def test_an_xid_of_an_application_or_one_that_healed_marks_nothing(code: int) -> None:
    assert faults((COOL,), (), LOOK, (Xid(code=code, pci_bus_id="0000:18:00", at=NOW),)) == ()


def test_an_instance_has_the_faults_of_its_gpu() -> None:
    xid = Xid(code=79, pci_bus_id="0000:2a:00", at=NOW)
    parent, part = replace(OTHER, is_mig_enabled=True), replace(PART, parent="GPU-b", pci_bus_id=None)
    assert [fault.uuid for fault in faults((parent, part), (), LOOK, (xid,))] == ["GPU-b", "MIG-1"]


def test_without_a_look_every_known_gpu_is_unseen_and_none_is_lost() -> None:
    blind = GpuLook(at=NOW, source="nvml", problem="NVML did not answer within 10 s")
    known = with_lost(blind, (COOL, OTHER))
    assert known == (COOL, OTHER)
    assert [(fault.kind, fault.detail) for fault in faults(known, (), blind, ())] == [
        (FaultKind.UNSEEN, "NVML did not answer within 10 s")
    ] * 2
    assert offered(known, faults(known, (), blind, ()), allow_mig=False) == ()


def test_a_gpu_that_was_known_and_is_not_found_is_lost() -> None:
    found = with_lost(replace(LOOK, gpus=(COOL,)), (COOL, OTHER))
    assert [(gpu.uuid, gpu.is_lost) for gpu in found] == [("GPU-a", False), ("GPU-b", True)]


def test_an_instance_that_was_taken_away_is_no_loss_while_its_gpu_is_there() -> None:
    assert with_lost(replace(LOOK, gpus=(COOL,)), (WHOLE, PART)) == (COOL,)
    gone = with_lost(replace(LOOK, gpus=()), (WHOLE, PART))
    assert [gpu.is_lost for gpu in gone] == [True, True]


@pytest.mark.parametrize(
    ("allow_mig", "uuids"), [(False, ["GPU-b"]), (True, ["MIG-1", "GPU-b"])], ids=["not allowed", "allowed"]
)
def test_a_gpu_in_mig_mode_is_offered_by_its_instances_or_not_at_all(
    allow_mig: bool, uuids: list[str]
) -> None:
    assert [gpu.uuid for gpu in offered((WHOLE, PART, OTHER), (), allow_mig=allow_mig)] == uuids
