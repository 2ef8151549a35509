"""The systemd that the contract tests run against: the system's for root, else the account's own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.contracts.workbench import Workbench

from wnm.core.contracts import Unit
from wnm.formats.systemd_unit import BOOT_TARGET, Scope
from wnm.process_managers.systemd import SystemdDriver
from wnm.system.clock import SystemClock

SCOPE: Scope = "system" if os.geteuid() == 0 else "user"
DRIVER_NAME = "systemd" if SCOPE == "system" else "systemd+user"
FOLDER = Path("/etc/systemd/system") if SCOPE == "system" else Path.home() / ".config/systemd/user"
# One that is read too, though not ours to write to.
OTHER_FOLDER = Path("/run/systemd/system") if SCOPE == "system" else Path.home() / ".local/share/systemd/user"


def systemctl(*arguments: str, check: bool = True) -> str:
    """What systemctl writes, asked without the code under test."""
    own = [] if SCOPE == "system" else ["--user"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}", "LC_ALL": "C"}
    done = subprocess.run(
        ["systemctl", *own, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def shown(unit: Unit, what: str) -> str:
    """One property of a unit."""
    return systemctl("show", "--value", f"--property={what}", unit_file(unit).name)


def unit_file(unit: Unit) -> Path:
    """Where its file has to be."""
    return FOLDER / f"{unit.name}.service"


def boot_link(unit: Unit) -> Path:
    """What lets it start with the machine."""
    return FOLDER / f"{BOOT_TARGET[SCOPE]}.wants" / unit_file(unit).name


@contextmanager
def drop_in(unit: Unit, text: str) -> Iterator[Path]:
    """What an operator adds to a unit; systemd has read it."""
    path = FOLDER / f"{unit.name}.service.d" / "operator.conf"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    systemctl("daemon-reload")
    try:
        yield path
    finally:
        shutil.rmtree(path.parent)
        systemctl("daemon-reload")


def counting(bench: Workbench) -> tuple[Workbench, Callable[[], list[str]]]:
    """The workbench with a driver whose calls of systemctl are counted, and what was called since last asked."""
    calls = bench.folder / "calls"
    calls.write_text("")
    wrapper = bench.script("systemctl", f'echo "$*" >> {calls}\nexec systemctl "$@"')

    def since_last_asked() -> list[str]:
        lines = calls.read_text().splitlines()
        calls.write_text("")
        return [line.replace("--no-ask-password ", "").replace("--user ", "") for line in lines]

    driver = SystemdDriver(SystemClock(), scope=SCOPE, systemctl=str(wrapper))
    return replace(bench, driver=driver), since_last_asked
