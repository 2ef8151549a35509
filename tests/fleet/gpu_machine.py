"""A machine with stand-in GPUs: a built NVML library, a program nvidia-smi, and the file that both tell from."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from wnm.core.codec import from_json
from wnm_fleet.core.gpu import GpuLook

STANDINS = Path(__file__).resolve().parent / "standins"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)

H100 = """\
uuid=GPU-{number}1111111-0000-0000-0000-000000000000
name=NVIDIA H100 80GB HBM3
pci=00000000:{bus}:00.0
compute=9.0
memory_total=85520809984
memory_reserved=545259520
memory_used=1073741824
utilization=37
temperature=54
slowdown=87
power_mw=312450
power_limit_mw=700000
throttles=0x4
ecc_corrected=3
ecc_uncorrected=0
nvlinks=1,1,0
mig=0
processes=4242:1048576000
"""
DRIVER = "driver=580.95.05\n"


def h100(number: int, **changed: str | None) -> str:
    """The section of one GPU; a key that is None is not told."""
    lines = dict(line.split("=", 1) for line in H100.format(number=number, bus=10 + number).splitlines())
    lines |= {key: value for key, value in changed.items() if value is not None}
    return "[gpu]\n" + "".join(
        f"{key}={value}\n" for key, value in lines.items() if changed.get(key, value) is not None
    )


class GpuMachine:
    """What a program on a machine with these GPUs sees."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.state = folder / "gpus"
        self._library = library
        self._programs = folder / "bin"
        self._programs.mkdir()
        self.has_library = True

    def set(self, *gpus: str) -> None:
        """Replace all GPUs."""
        self.state.write_text(DRIVER + "".join(gpus))

    def with_program(self) -> None:
        """Put nvidia-smi on the PATH."""
        program = self._programs / "nvidia-smi"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {STANDINS / "nvidia_smi.py"} "$@"\n')
        program.chmod(0o755)

    def environment(self, **more: str) -> Mapping[str, str]:
        """The environment of a program on it."""
        library = {"LD_LIBRARY_PATH": str(self._library)} if self.has_library else {}
        path = f"{self._programs}:{os.environ['PATH']}"
        return {**os.environ, **library, "PATH": path, "STANDIN_GPUS": str(self.state), **more}

    def look(self, timeout: float = 20, **more: str) -> GpuLook:
        """Look at the GPUs in a new process."""
        code = (
            "import sys; from datetime import datetime; from wnm.core.codec import to_json;"
            "from wnm_fleet.gpu.look import look;"
            f"sys.stdout.write(to_json(look(datetime.fromisoformat('{NOW.isoformat()}'), {timeout})))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return from_json(GpuLook, ran.stdout)
