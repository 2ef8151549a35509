"""Importing any module of wnm does nothing: no file, folder, database, socket, process, thread, nor a look at argv."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("import_probe.py")

# Alembic runs these by executing them; they are scripts, not modules.
SCRIPTS = tuple(
    f"{package}/migrations/{scripts}"
    for package in ("wnm/storage", "wnm_fleet/store")
    for scripts in ("env.py", "versions/")
)

# urllib3, which the Docker SDK imports, opens an unbound socket to see whether IPv6 is there. Only who speaks to Docker
# imports that module, and late.
OF_LIBRARIES = ("wnm_fleet.engine.local: socket.__new__",)


def modules_of_wnm() -> list[str]:
    """Dotted names of all modules of all packages."""
    source = CHECKOUT / "src"
    names: list[str] = []
    for file in sorted(source.rglob("*.py")):
        if file.relative_to(source).as_posix().startswith(SCRIPTS):
            continue
        parts = file.relative_to(source).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def deeds(modules: list[str], *, home: Path, path: Path) -> list[str]:
    """What importing the modules does, from a fresh interpreter whose home and working directory are empty."""
    home.mkdir()
    command = [sys.executable, "-B", str(PROBE), *modules]
    environment = {"HOME": str(home), "PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_importing_wnm_does_nothing(tmp_path: Path) -> None:
    modules = modules_of_wnm()
    assert "wnm.core.errors" in modules
    home = tmp_path / "home"
    assert [
        deed for deed in deeds(modules, home=home, path=CHECKOUT / "src") if not deed.startswith(OF_LIBRARIES)
    ] == []
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "deed"),
    [
        ("open('made', 'w').close()", "open for writing"),
        ("import os; os.close(os.open('made', os.O_CREAT | os.O_WRONLY))", "open for writing"),
        ("import os; os.mkdir('made')", "os.mkdir"),
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import sqlite3; sqlite3.connect(':memory:').close()", "sqlite3.connect"),
        ("import threading; threading.Thread(target=int).start()", "_thread.start_"),
        ("import sys; chosen = '--init' in sys.argv[1:]", "sys.argv"),
        ("import argparse; argparse.ArgumentParser()", "sys.argv"),
    ],
)
def test_a_noisy_module_is_noticed(source: str, deed: str, tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(source)
    found = deeds(["noisy"], home=tmp_path / "home", path=tmp_path)
    assert any(line.startswith(f"noisy: {deed}") for line in found), found
