"""The drivers that the contract tests hold to the same promises, and what they run."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.contracts.workbench import Workbench, workbench

from wnm.core.contracts import UnitDriver
from wnm.process_managers.setsid import SetsidDriver
from wnm.simulator.make_program import write_program
from wnm.system.clock import SystemClock

# One line for every driver.
DRIVERS: dict[str, Callable[[], UnitDriver]] = {
    "setsid": lambda: SetsidDriver(SystemClock()),
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Simulated node programs by version."""
    folder = tmp_path_factory.mktemp("programs")
    made = {version: folder / f"antnode-{version}" for version in ("0.4.17", "0.4.18")}
    for version, path in made.items():
        write_program(path, version)
    return made


@pytest.fixture(params=DRIVERS)
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, programs: Mapping[str, Path]
) -> Iterator[Workbench]:
    """A workbench for each driver."""
    with workbench(tmp_path, programs, DRIVERS[request.param]()) as made:
        yield made
