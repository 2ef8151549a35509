"""Fixtures of machines with stand-in GPUs."""

import subprocess
from pathlib import Path

import pytest
from tests.fleet.gpu_machine import STANDINS, GpuMachine


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stand-in library, built now."""
    folder = tmp_path_factory.mktemp("nvml")
    built = [
        "-shared",
        "-fPIC",
        "-O2",
        "-Wl,-soname,libnvidia-ml.so.1",
        "-o",
        str(folder / "libnvidia-ml.so.1"),
    ]
    subprocess.run(["cc", *built, str(STANDINS / "nvml.c")], check=True)
    return folder


@pytest.fixture
def machine(tmp_path: Path, library: Path) -> GpuMachine:
    """A machine whose driver is not loaded until its GPUs are set."""
    return GpuMachine(tmp_path, library)
