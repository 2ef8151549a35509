"""scripts/find_python.sh believes an interpreter only after running it."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = CHECKOUT / "scripts" / "find_python.sh"
TOOLS = ("id", "sort", "uname")
REAL = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


class Machine:
    """A machine with its own PATH, home and pyenv, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.home = root / "home"
        self.pyenv = root / "pyenv"
        tools = root / "tools"
        for folder in (self.bin, self.home, tools):
            folder.mkdir()
        for tool in TOOLS:
            (tools / tool).symlink_to(str(shutil.which(tool)))
        self.path = f"{self.bin}:{tools}"

    def program(self, path: Path, text: str) -> Path:
        """Put an executable script there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def good(self, path: Path) -> Path:
        """Put an interpreter there that will do."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(REAL)
        return path

    def of_version(self, path: Path, version: str) -> Path:
        """Put an interpreter there that says it is of this version; it names itself by its real path."""
        info = f"({version.replace('.', ', ')}, 'final', 0)"
        return self.program(
            path,
            f'shift 2; code=$1; shift\nexec {REAL} -I -c "import sys; sys.version_info = {info}\n$code" "$@"',
        )

    def find(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script on this machine."""
        environment = {"PATH": self.path, "HOME": str(self.home), "PYENV_ROOT": str(self.pyenv)}
        return subprocess.run(
            ["/bin/sh", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False
        )

    def found(self) -> Path:
        """The interpreter that the script finds."""
        ran = self.find()
        assert (ran.returncode, ran.stderr) == (0, "")
        return Path(ran.stdout.removesuffix("\n"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_oldest_version_is_the_one_that_the_package_declares() -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f"wanted='{declared.removeprefix('>=')}'" in SCRIPT.read_text()


def test_a_shim_that_only_prints_an_error_is_passed_over(machine: Machine) -> None:
    machine.program(machine.bin / "python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    machine.program(machine.bin / "python3.13", "exit 127")
    good = machine.good(machine.bin / "python3.12")
    assert machine.found() == good


@pytest.mark.parametrize("version", ["3.12.2", "3.11.9", "2.7.18"])
def test_a_version_that_is_too_old_is_passed_over(machine: Machine, version: str) -> None:
    machine.of_version(machine.bin / "python3.12", version)
    good = machine.good(machine.bin / "python3")
    assert machine.found() == good


@pytest.mark.parametrize("version", ["3.12.3", "3.12.10", "3.14.0"])
def test_a_version_that_is_new_enough_is_taken(machine: Machine, version: str) -> None:
    machine.of_version(machine.bin / "python3", version)
    machine.program(machine.bin / "python", "exit 127")
    assert machine.found() == REAL


def test_every_folder_on_the_path_is_tried(machine: Machine) -> None:
    machine.program(machine.bin / "python3", "exit 127")
    good = machine.good(machine.root / "more programs" / "python3")
    machine.path = f"{machine.bin}::/nowhere:{good.parent}:{machine.path}"
    assert machine.found() == good


def test_the_newest_good_version_of_pyenv_is_taken(machine: Machine) -> None:
    machine.program(machine.bin / "python3", "exit 127")
    versions = machine.pyenv / "versions"
    machine.program(versions / "3.14.0" / "bin" / "python", "exit 1")
    machine.good(versions / "3.9.18" / "bin" / "python")
    machine.of_version(versions / "3.12.1" / "bin" / "python", "3.12.1")
    (versions / "3.14.1").mkdir()
    good = machine.good(versions / "3.13.0" / "bin" / "python")
    assert machine.found() == good


def test_pyenv_is_found_in_the_home_folder(machine: Machine) -> None:
    machine.pyenv = machine.home / ".pyenv"
    good = machine.good(machine.home / ".pyenv" / "versions" / "3.13.0" / "bin" / "python")
    environment = {"PATH": machine.path, "HOME": str(machine.home)}
    ran = subprocess.run(
        ["/bin/sh", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout == f"{good}\n"


def test_uv_is_asked_last(machine: Machine) -> None:
    good = machine.good(machine.root / "uv" / "python")
    machine.program(machine.bin / "uv", f'[ "$1 $2" = "python find" ] && echo {good}')
    assert machine.found() == good


def test_uv_fetches_one_when_it_has_none(machine: Machine) -> None:
    good = machine.good(machine.root / "uv" / "python")
    fetched = machine.root / "fetched"
    machine.program(
        machine.home / ".local" / "bin" / "uv",
        f'case "$2" in\nfind) [ -e {fetched} ] && echo {good} ;;\ninstall) : >{fetched} ;;\nesac',
    )
    assert machine.found() == good


def test_inside_a_virtual_environment_its_base_is_found(machine: Machine) -> None:
    subprocess.run([str(REAL), "-m", "venv", "--without-pip", str(machine.root / "venv")], check=True)
    machine.path = f"{machine.root / 'venv' / 'bin'}:{machine.path}"
    assert not machine.found().is_relative_to(machine.root)


def test_without_any_there_is_one_line_that_says_what_to_install(machine: Machine) -> None:
    machine.program(machine.bin / "python3", "exit 127")
    machine.program(machine.bin / "uv", "exit 2")
    ran = machine.find()
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("wnm needs Python 3.12.3 or newer: ")
    assert "install" in ran.stderr


@pytest.mark.parametrize("there", [True, False])
def test_a_uv_that_could_not_fetch_one_is_not_to_be_installed(there: bool, machine: Machine) -> None:
    if there:
        machine.program(machine.home / ".local" / "bin" / "uv", "exit 2")
    ran = machine.find()
    assert (ran.returncode, ran.stderr.count("\n")) == (3, 1)
    assert ("uv python install 3.13" in ran.stderr, "docs.astral.sh/uv" in ran.stderr) == (there, not there)


@pytest.mark.skipif(sys.platform != "linux", reason="only distributions of Linux split ensurepip off")
def test_a_python_without_venv_is_named_with_the_package_it_lacks(machine: Machine) -> None:
    bare = machine.program(
        machine.bin / "python3", f'case "$*" in *ensurepip*) exit 1 ;; esac\nexec {REAL} "$@"'
    )
    ran = machine.find()
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.count("\n") == 1
    assert f"{bare} cannot make virtual environments" in ran.stderr
    assert f"apt install {REAL.name}-venv" in ran.stderr
    assert ("sudo " in ran.stderr) is (os.geteuid() != 0)


def test_one_file_can_be_asked_about(machine: Machine) -> None:
    good = machine.good(machine.bin / "good")
    bad = machine.program(machine.bin / "bad", "exit 127")
    codes = [machine.find("--ok", str(file)).returncode for file in (good, bad, machine.bin / "missing")]
    assert codes[0] == 0
    assert 0 not in codes[1:]
