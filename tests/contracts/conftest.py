"""The drivers that the contract tests hold to the same promises, and what they run."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.contracts.services import DRIVER_NAME, SCOPE
from tests.contracts.workbench import Workbench, workbench
from tests.fakes import drivers as launchd

from wnm.core.contracts import UnitDriver
from wnm.process_managers.setsid import SetsidDriver
from wnm.process_managers.systemd import SystemdDriver, why_not_here
from wnm.system.clock import SystemClock
from wnm_sim.make_program import write_program


class Entry(NamedTuple):
    """How a driver is made, why it cannot run here (None when it can), and the marks of its tests."""

    make: Callable[[], UnitDriver]
    why_not_here: Callable[[], object]
    marks: tuple[pytest.MarkDecorator, ...] = ()


def _anywhere() -> None:
    """Needs nothing of the machine."""


def _no_test_machine() -> object:
    """Units have their names for the whole machine, where somebody's nodes may have the same ones."""
    if os.environ.get("IN_WNM_TEST_MACHINE") != "1":
        return "needs the test machine with systemd: scripts/test.sh"
    return why_not_here(SCOPE)


# What stands in for service managers, ended with each test.
OPEN = ExitStack()

# One line for every driver.
DRIVERS: dict[str, Entry] = {
    "setsid": Entry(lambda: SetsidDriver(SystemClock()), _anywhere),
    DRIVER_NAME: Entry(
        lambda: SystemdDriver(SystemClock(), scope=SCOPE), _no_test_machine, (pytest.mark.systemd,)
    ),
    "launchd": Entry(lambda: launchd.with_stand_in(OPEN), launchd.why_no_stand_in),
    "real_launchd": Entry(
        lambda: launchd.with_real_launchd(OPEN), launchd.why_not_real, (pytest.mark.macos,)
    ),
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Simulated node programs by version."""
    folder = tmp_path_factory.mktemp("programs")
    made = {version: folder / f"antnode-{version}" for version in ("0.4.17", "0.4.18")}
    for version, path in made.items():
        write_program(path, version)
    return made


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Ends what stands in for a service manager."""
    with OPEN:
        yield


@pytest.fixture(params=[pytest.param(name, marks=entry.marks) for name, entry in DRIVERS.items()])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, programs: Mapping[str, Path]
) -> Iterator[Workbench]:
    """A workbench for each driver."""
    yield from _workbench(request.param, tmp_path, programs)


@pytest.fixture
def setsid(tmp_path: Path, programs: Mapping[str, Path]) -> Iterator[Workbench]:
    """A workbench for processes without a service manager."""
    yield from _workbench("setsid", tmp_path, programs)


@pytest.fixture
def systemd(tmp_path: Path, programs: Mapping[str, Path]) -> Iterator[Workbench]:
    """A workbench for services: of the whole system for root, else of the account's own systemd."""
    yield from _workbench(DRIVER_NAME, tmp_path, programs)


def _workbench(name: str, folder: Path, programs: Mapping[str, Path]) -> Iterator[Workbench]:
    entry = DRIVERS[name]
    reason = entry.why_not_here()
    if reason:
        pytest.skip(f"{name}: {reason}")
    with workbench(folder, programs, entry.make()) as made:
        yield made
