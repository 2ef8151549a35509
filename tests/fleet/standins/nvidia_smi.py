"""A stand-in for nvidia-smi: answers the questions that wnm asks, from the file that the stand-in NVML reads too.

STANDIN_SMI changes it: `hang` never answers, `old` knows no compute_cap and refuses it as old versions do, `broken`
exits as the real one does without a driver. The forms of the answers are from NVIDIA's manual, not from a real GPU.
"""

import os
import sys
import time
from pathlib import Path

MIB = 1024 * 1024
KEYS = {
    "uuid": "uuid",
    "name": "name",
    "compute_cap": "compute",
    "pci.bus_id": "pci",
    "memory.total": "memory_total",
    "memory.used": "memory_used",
    "utilization.gpu": "utilization",
    "temperature.gpu": "temperature",
    "power.draw": "power_mw",
    "enforced.power.limit": "power_limit_mw",
    "fan.speed": "fan",
    "clocks_throttle_reasons.active": "throttles",
    "ecc.errors.corrected.volatile.total": "ecc_corrected",
    "ecc.errors.uncorrected.volatile.total": "ecc_uncorrected",
    "mig.mode.current": "mig",
}


def read(path: str) -> tuple[dict[str, str], list[dict[str, str]], list[list[dict[str, str]]]]:
    """The driver's values, those of each GPU, and of each GPU's instances."""
    driver: dict[str, str] = {}
    gpus: list[dict[str, str]] = []
    instances: list[list[dict[str, str]]] = []
    current = driver
    for line in Path(path).read_text().splitlines():
        if line == "[gpu]":
            current = {}
            gpus.append(current)
            instances.append([])
        elif line == "[mig]":
            current = {}
            instances[-1].append(current)
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            current[key] = value
    return driver, gpus, instances


def cell(name: str, gpu: dict[str, str], driver: dict[str, str], index: int) -> str:
    """One answer, without its unit."""
    if name == "index":
        return str(index)
    if name == "driver_version":
        return driver["driver"]
    value = gpu.get(KEYS[name])
    if value is None:
        return "[N/A]"
    if value == "LOST":
        return "[GPU is lost]"
    if name.startswith("memory."):
        return str(int(value) // MIB)
    if name.endswith(("power.draw", "power.limit")):
        return f"{int(value) / 1000:.2f}"
    if name == "clocks_throttle_reasons.active":
        return f"0x{int(value, 0):016x}"
    if name == "mig.mode.current":
        return "Enabled" if value == "1" else "Disabled"
    return value


def list_all(gpus: list[dict[str, str]], instances: list[list[dict[str, str]]]) -> int:
    """Answer `-L`."""
    for index, gpu in enumerate(gpus):
        print(f"GPU {index}: {gpu['name']} (UUID: {gpu['uuid']})")
        for number, each in enumerate(instances[index]):
            print(f"  MIG {each['profile']}     Device  {number}: (UUID: {each['uuid']})")
    return 0


def processes(gpus: list[dict[str, str]]) -> int:
    """Answer `--query-compute-apps`."""
    for gpu in gpus:
        for each in filter(None, gpu.get("processes", "").split(",")):
            pid, used = each.split(":")
            print(f"{gpu['uuid']}, {pid}, {int(used) // MIB}")
    return 0


def main() -> int:
    """Answer as the real program would."""
    mode, path = os.environ.get("STANDIN_SMI", ""), os.environ.get("STANDIN_GPUS", "")
    if mode == "hang":
        time.sleep(3600)
    if mode == "broken" or not Path(path).is_file():
        print("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
        return 9
    driver, gpus, instances = read(path)
    question = sys.argv[1]
    if question == "-L":
        return list_all(gpus, instances)
    names = question.partition("=")[2].split(",")
    if question.startswith("--query-compute-apps="):
        return processes(gpus)
    if mode == "old" and "compute_cap" in names:
        print('Field "compute_cap" is not a valid field to query.')
        return 2
    for index, gpu in enumerate(gpus):
        print(", ".join(cell(name, gpu, driver, index) for name in names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
