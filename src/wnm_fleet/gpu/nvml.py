"""Reads GPUs through NVML, the driver's library, in a process of its own: `python -m wnm_fleet.gpu.nvml`.

A wedged driver hangs its callers and a broken one ends them, so nothing but this process calls it. It prints one
`GpuLook` as JSON and exits 0, also where there is no driver.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pynvml

from wnm.core.codec import to_json
from wnm_fleet.core.gpu import Gpu, GpuLook, GpuProcess, Throttle, throttles_of

SOURCE = "nvml"
ABSENT = (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded)
"""Errors that mean that this machine has no driver that runs."""


class _Device:
    """One GPU or MIG instance; a field that it does not tell is None, and `is_lost` once it said so of itself."""

    def __init__(self, handle: object) -> None:
        self._handle = handle
        self.is_lost = False

    def ask[T](self, question: Callable[..., T], *arguments: object) -> T | None:
        try:
            return question(self._handle, *arguments)
        except pynvml.NVMLError_GpuIsLost:
            self.is_lost = True
        except pynvml.NVMLError:
            # Not supported by this GPU, not permitted, or unknown to this version of the library.
            pass
        return None


def look(now: datetime) -> GpuLook:
    """Return the GPUs of this machine and their MIG instances. Raises nothing: a driver that fails is a `problem`."""
    try:
        pynvml.nvmlInit()
    except ABSENT:
        return GpuLook(at=now)
    except pynvml.NVMLError as error:
        return GpuLook(at=now, source=SOURCE, problem=f"the NVIDIA driver does not answer: {_words(error)}")
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return GpuLook(at=now, source=SOURCE, gpus=tuple(_every(driver)))
    except pynvml.NVMLError as error:
        return GpuLook(at=now, source=SOURCE, problem=f"the GPUs cannot be listed: {_words(error)}")
    finally:
        pynvml.nvmlShutdown()


def _every(driver: str) -> Iterator[Gpu]:
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            device = _Device(pynvml.nvmlDeviceGetHandleByIndex(index))
        except pynvml.NVMLError:
            continue  # It has fallen off the bus: no longer addressable. Those who knew it miss it.
        gpu = _gpu(device, index, driver)
        if gpu is None:
            continue
        yield gpu
        yield from _instances(device, gpu)


def _gpu(device: _Device, index: int, driver: str) -> Gpu | None:
    """Return all that a GPU tells; None for one that does not tell its UUID, for nobody can be given that one."""
    uuid = device.ask(pynvml.nvmlDeviceGetUUID)
    if uuid is None:
        return None
    capability = device.ask(pynvml.nvmlDeviceGetCudaComputeCapability)
    memory, mig = _memory(device), device.ask(pynvml.nvmlDeviceGetMigMode)
    utilization = device.ask(pynvml.nvmlDeviceGetUtilizationRates)
    pci, name = device.ask(pynvml.nvmlDeviceGetPciInfo), device.ask(pynvml.nvmlDeviceGetName)
    links = _links(device)
    return Gpu(
        uuid=_text(uuid),
        index=index,
        name=None if name is None else _text(name),
        driver_version=driver,
        compute_capability=None if capability is None else "{}.{}".format(*capability),
        pci_bus_id=None if pci is None else _text(pci.busId).upper(),
        is_mig_enabled=None if mig is None else bool(mig[0]),
        memory_total_bytes=None if memory is None else memory.total,
        memory_used_bytes=None if memory is None else memory.used,
        utilization_percent=None if utilization is None else utilization.gpu,
        temperature_celsius=_temperature(device),
        slowdown_celsius=device.ask(
            pynvml.nvmlDeviceGetTemperatureThreshold, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
        ),
        power_watts=_watts(device.ask(pynvml.nvmlDeviceGetPowerUsage)),
        power_limit_watts=_watts(device.ask(pynvml.nvmlDeviceGetEnforcedPowerLimit)),
        fan_speed_percent=device.ask(pynvml.nvmlDeviceGetFanSpeed),
        throttles=_throttles(device),
        ecc_corrected_errors=_ecc(device, pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
        ecc_uncorrected_errors=_ecc(device, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
        nvlinks_active=None if links is None else links.count(True),
        nvlinks_inactive=None if links is None else links.count(False),
        processes=_processes(device),
        is_lost=device.is_lost,
    )


def _instances(device: _Device, gpu: Gpu) -> Iterator[Gpu]:
    """Yield the MIG instances of a GPU; they share its temperature, power and faults, and tell only their memory."""
    if not gpu.is_mig_enabled:
        return
    for index in range(device.ask(pynvml.nvmlDeviceGetMaxMigDeviceCount) or 0):
        handle = device.ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, index)
        if handle is None:
            continue  # A place where an instance could be.
        instance = _Device(handle)
        uuid = instance.ask(pynvml.nvmlDeviceGetUUID)
        name, memory = instance.ask(pynvml.nvmlDeviceGetName), _memory(instance)
        if uuid is not None:
            yield Gpu(
                uuid=_text(uuid),
                index=index,
                parent=gpu.uuid,
                name=gpu.name if name is None else _text(name),
                driver_version=gpu.driver_version,
                compute_capability=gpu.compute_capability,
                pci_bus_id=gpu.pci_bus_id,
                memory_total_bytes=None if memory is None else memory.total,
                memory_used_bytes=None if memory is None else memory.used,
                processes=_processes(instance),
                is_lost=gpu.is_lost or instance.is_lost,
            )


def _memory(device: _Device) -> pynvml.c_nvmlMemory_t | None:
    """Return total and used memory in bytes, without what the driver keeps for itself where it tells that apart."""
    apart = device.ask(pynvml.nvmlDeviceGetMemoryInfo, pynvml.nvmlMemory_v2)
    return device.ask(pynvml.nvmlDeviceGetMemoryInfo) if apart is None else apart


def _temperature(device: _Device) -> int | None:
    """Return degrees Celsius; drivers of before 2025 know only the older of the two calls."""
    newer = device.ask(pynvml.nvmlDeviceGetTemperatureV, pynvml.NVML_TEMPERATURE_GPU)
    return (
        device.ask(pynvml.nvmlDeviceGetTemperature, pynvml.NVML_TEMPERATURE_GPU) if newer is None else newer
    )


def _throttles(device: _Device) -> tuple[Throttle, ...] | None:
    mask = device.ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons)
    if mask is None:
        mask = device.ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)
    return None if mask is None else throttles_of(mask)


def _ecc(device: _Device, kind: int) -> int | None:
    return device.ask(pynvml.nvmlDeviceGetTotalEccErrors, kind, pynvml.NVML_VOLATILE_ECC)


def _links(device: _Device) -> list[bool] | None:
    """Return for each NVLink whether it is up; None for a GPU that has none."""
    found = []
    for number in range(pynvml.NVML_NVLINK_MAX_LINKS):
        state = device.ask(pynvml.nvmlDeviceGetNvLinkState, number)
        if state is None:
            break
        found.append(bool(state))
    return found or None


def _processes(device: _Device) -> tuple[GpuProcess, ...] | None:
    found = device.ask(pynvml.nvmlDeviceGetComputeRunningProcesses)
    if found is None:
        return None
    return tuple(GpuProcess(pid=each.pid, used_bytes=each.usedGpuMemory) for each in found)


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _words(error: Exception) -> str:
    return str(error).rstrip(".")


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


if __name__ == "__main__":
    sys.stdout.write(to_json(look(datetime.now(UTC))))
