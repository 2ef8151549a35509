"""The wheel, installed in a clean environment elsewhere, is the whole program."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.cli.operator import Operator

from wnm import __version__

CHECKOUT = Path(__file__).resolve().parents[2]
MIGRATION = "wnm/storage/migrations/versions/0001_first_tables.py"
# Alembic, from the wheel alone: the newest migration that it finds is the schema that the program expects.
HEADS = """
from importlib.resources import files
from alembic.config import Config
from alembic.script import ScriptDirectory
from wnm.storage.schema import HEAD
config = Config()
config.set_main_option("script_location", str(files("wnm.storage") / "migrations"))
assert ScriptDirectory.from_config(config).get_heads() == [HEAD]
import wnm
print(wnm.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CHECKOUT], cwd=folder
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of a new environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("clean environment")
    run([sys.executable, "-m", "venv", folder], cwd=folder)
    run([folder / "bin/python", "-m", "pip", "install", "--quiet", wheel], cwd=folder)
    return folder / "bin"


def run(command: Sequence[object], *, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """What a program says that must end well."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    ran = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env or ours, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def test_it_holds_the_program_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert MIGRATION in names
    assert "wnm/storage/migrations/env.py" in names
    assert {"wnm/views/html/page.css", "wnm/views/html/page.js"} <= set(names)
    assert {"wnm_sim/samples/metrics.txt", "wnm_sim/samples/metadata.txt"} <= set(names)
    assert {name.partition("/")[0] for name in names} == {
        "wnm",
        "wnm_adopt",
        "wnm_sim",
        "wnm_fleet",
        f"wnm-{__version__}.dist-info",
    }
    assert [name for name in names if name.endswith((".pyc", ".db", ".log"))] == []
    sources = {path.relative_to(CHECKOUT / "src").as_posix() for path in (CHECKOUT / "src/wnm").rglob("*.py")}
    assert sources <= set(names)


@pytest.mark.slow
def test_it_runs_where_there_is_no_checkout(installed: Path, operator: Operator) -> None:
    elsewhere = operator.home / "elsewhere"
    elsewhere.mkdir()

    def wnm(*words: object) -> str:
        command = [installed / "wnm", "--dbpath", operator.database, *words]
        return run(command, cwd=elsewhere, env=operator.environment())

    assert wnm("--version") == f"wnm {__version__}\n"
    where = run([installed / "python", "-I", "-c", HEADS], cwd=elsewhere).strip()
    assert not Path(where).is_relative_to(CHECKOUT)
    assert "nothing was started" in wnm("--init", *operator.wishes(node_cap=1))
    for _ in range(20):
        wnm()
        if operator.processes():
            break
    assert [process.name for process in operator.processes()] == ["antnode0001"]
    assert "antnode0001" in wnm("status")
    assert "decided by" in wnm("explain")
    wnm("--force_action", "teardown", "--confirm")
    assert operator.processes() == []


@pytest.mark.slow
def test_the_simulated_node_comes_along(installed: Path, tmp_path: Path) -> None:
    assert "Autonomi Node v" in run([installed / "wnm-simulated-node", "--version"], cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("program", ["wnm-fleet", "clawbernetes"])
def test_the_fleets_commands_say_which_extra_they_lack(installed: Path, tmp_path: Path, program: str) -> None:
    ran = subprocess.run(
        [installed / program, "status"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.startswith("wnm-fleet: click is missing: install wnm with its extra fleet")
    assert ran.stderr.count("\n") == 1
