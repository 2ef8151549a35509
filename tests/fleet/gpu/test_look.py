"""What one look finds on machines with stand-in GPUs, by the library that pynvml really loads and by nvidia-smi."""

import subprocess
import sys
import time

import pytest
from msgspec.structs import replace
from tests.fleet.gpu_machine import NOW, GpuMachine, h100

from wnm_fleet.core.gpu import Gpu, GpuLook, GpuProcess, Throttle

FIRST = Gpu(
    uuid="GPU-01111111-0000-0000-0000-000000000000",
    index=0,
    name="NVIDIA H100 80GB HBM3",
    driver_version="580.95.05",
    compute_capability="9.0",
    pci_bus_id="00000000:10:00.0",
    is_mig_enabled=False,
    memory_total_bytes=85520809984,
    memory_used_bytes=1073741824,
    utilization_percent=37,
    temperature_celsius=54,
    slowdown_celsius=87,
    power_watts=312.45,
    power_limit_watts=700.0,
    throttles=(Throttle.POWER_CAP,),
    ecc_corrected_errors=3,
    ecc_uncorrected_errors=0,
    nvlinks_active=2,
    nvlinks_inactive=1,
    processes=(GpuProcess(pid=4242, used_bytes=1048576000),),
)
# What nvidia-smi has no field for.
BY_PROGRAM = replace(FIRST, slowdown_celsius=None, nvlinks_active=None, nvlinks_inactive=None)


def test_every_field_is_what_the_library_says(machine: GpuMachine) -> None:
    machine.set(h100(0))
    assert machine.look() == GpuLook(at=NOW, source="nvml", gpus=(FIRST,))


def test_eight_gpus_are_told_apart(machine: GpuMachine) -> None:
    machine.set(*(h100(number) for number in range(8)))
    assert [(gpu.index, gpu.uuid[:12]) for gpu in machine.look().gpus] == [
        (number, f"GPU-{number}1111111"[:12]) for number in range(8)
    ]


def test_nvidia_smi_tells_the_same_where_the_library_is_missing(machine: GpuMachine) -> None:
    machine.set(h100(0))
    machine.with_program()
    machine.has_library = False
    assert machine.look() == GpuLook(at=NOW, source="nvidia-smi", gpus=(BY_PROGRAM,))


NOT_TOLD = {
    "memory_used": "memory_used_bytes",
    "utilization": "utilization_percent",
    "temperature": "temperature_celsius",
    "power_mw": "power_watts",
    "power_limit_mw": "power_limit_watts",
    "name": "name",
    "pci": "pci_bus_id",
    "compute": "compute_capability",
    "throttles": "throttles",
    "ecc_corrected": "ecc_corrected_errors",
    "mig": "is_mig_enabled",
}


@pytest.mark.parametrize("key", NOT_TOLD)
@pytest.mark.parametrize("has_library", [True, False], ids=["nvml", "nvidia-smi"])
def test_a_field_that_is_not_told_is_none_and_the_others_stay(
    machine: GpuMachine, key: str, has_library: bool
) -> None:
    machine.set(h100(0, **{key: None}))
    machine.with_program()
    machine.has_library = has_library
    expected = replace(FIRST if has_library else BY_PROGRAM, **{NOT_TOLD[key]: None})
    if key == "memory_used" and has_library:
        # NVML answers memory as a whole or not at all.
        expected = replace(expected, memory_total_bytes=None)
    assert machine.look().gpus == (expected,)


def test_a_machine_without_driver_has_no_gpus_and_no_problem(machine: GpuMachine) -> None:
    assert machine.look() == GpuLook(at=NOW)
    machine.has_library = False
    assert machine.look() == GpuLook(at=NOW)
    machine.with_program()
    assert machine.look() == GpuLook(at=NOW)


@pytest.mark.parametrize(
    ("value", "words"),
    [("HANG", "NVML did not answer within 2 s"), ("CRASH", "NVML was ended by SIGSEGV")],
)
def test_a_driver_that_hangs_or_crashes_is_a_problem_in_words(
    machine: GpuMachine, value: str, words: str
) -> None:
    machine.set(h100(0, temperature=value))
    before = time.monotonic()
    found = machine.look(timeout=2)
    assert time.monotonic() - before < 10
    assert (found.gpus, found.source) == ((), "nvml")
    assert found.problem is not None
    assert found.problem.startswith(words)


def test_a_library_of_another_version_than_the_driver_is_a_problem(machine: GpuMachine) -> None:
    machine.set()
    machine.state.write_text("driver=580\ninit=ERR:18\n")
    assert (
        machine.look().problem
        == "the NVIDIA driver does not answer: RM has detected an NVML/RM version mismatch"
    )


def test_nvidia_smi_is_asked_where_the_library_fails(machine: GpuMachine) -> None:
    machine.set(h100(0))
    machine.state.write_text("driver=580.95.05\ninit=ERR:18\n" + h100(0))
    machine.with_program()
    assert machine.look() == GpuLook(at=NOW, source="nvidia-smi", gpus=(BY_PROGRAM,))


def test_a_hung_nvidia_smi_is_given_up_and_ended(machine: GpuMachine) -> None:
    machine.set(h100(0))
    machine.with_program()
    machine.has_library = False
    before = time.monotonic()
    found = machine.look(timeout=1, STANDIN_SMI="hang")
    assert time.monotonic() - before < 6
    assert found == GpuLook(at=NOW, source="nvidia-smi", problem="nvidia-smi did not answer within 1 s")
    left = subprocess.run(
        ["pgrep", "-f", str(machine.state.parent)], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""


def test_an_old_nvidia_smi_is_asked_without_the_fields_it_refuses(machine: GpuMachine) -> None:
    machine.set(h100(0))
    machine.with_program()
    machine.has_library = False
    assert machine.look(STANDIN_SMI="old").gpus == (replace(BY_PROGRAM, compute_capability=None),)


MIG = """\
[mig]
uuid=MIG-{number}aaaaaaa-0000-0000-0000-000000000000
name=NVIDIA H100 80GB HBM3 MIG 1g.10gb
profile=1g.10gb
memory_total=10334764032
memory_used=12582912
"""


@pytest.mark.parametrize("has_library", [True, False], ids=["nvml", "nvidia-smi"])
def test_instances_of_a_gpu_in_mig_mode_follow_it(machine: GpuMachine, has_library: bool) -> None:
    # A GPU in MIG mode tells no utilization, and its instances tell neither that nor a temperature.
    machine.set(h100(0, mig="1", utilization=None), MIG.format(number=1), MIG.format(number=2), h100(1))
    machine.with_program()
    machine.has_library = has_library
    whole, first, second, other = machine.look().gpus
    assert (whole.is_mig_enabled, whole.utilization_percent, other.parent) == (True, None, None)
    assert [gpu.uuid[:5] for gpu in (first, second)] == ["MIG-1", "MIG-2"]
    assert {gpu.parent for gpu in (first, second)} == {whole.uuid}
    assert first.name == "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    assert first.memory_total_bytes == (10334764032 if has_library else None)
    assert first.temperature_celsius is None


@pytest.mark.parametrize("has_library", [True, False], ids=["nvml", "nvidia-smi"])
def test_a_gpu_that_says_that_it_is_lost_is_lost_and_the_others_stay(
    machine: GpuMachine, has_library: bool
) -> None:
    machine.set(h100(0, temperature="LOST"), h100(1))
    machine.with_program()
    machine.has_library = has_library
    assert [gpu.is_lost for gpu in machine.look().gpus] == [True, False]


def test_a_gpu_that_cannot_be_addressed_is_left_out(machine: GpuMachine) -> None:
    machine.set(h100(0, handle="LOST"), h100(1))
    assert [gpu.index for gpu in machine.look().gpus] == [1]


def test_a_gpu_without_identity_is_left_out(machine: GpuMachine) -> None:
    machine.set(h100(0, uuid=None), h100(1))
    assert [gpu.index for gpu in machine.look().gpus] == [1]


def test_importing_the_look_does_not_load_the_library(machine: GpuMachine) -> None:
    machine.set(h100(0))
    code = "import wnm_fleet.gpu.look; print('libnvidia-ml' in open('/proc/self/maps').read())"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=machine.environment(), capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
