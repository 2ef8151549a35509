"""A node program is one file that works anywhere and knows its version without Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sim.running import WALLET

from wnm_sim.make_program import main, write_program

RELEASE = """\
Autonomi Node v{}
Network version: ant/1.0/1
Package version: 2026.2.3.2
Git info: stable / 5e1ec7ab / 2026-02-23
"""


def _output(*command: object) -> str:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("version", ["0.4.17", "0.4.18-rc.1"])
def test_a_release_says_its_version_in_four_lines(tmp_path: Path, version: str) -> None:
    assert main(["--version", version, "--out", str(tmp_path / "antnode")]) == 0
    assert _output(tmp_path / "antnode", "--version") == RELEASE.format(version)


def test_a_nightly_build_has_no_version_number(tmp_path: Path) -> None:
    write_program(tmp_path / "antnode", "nightly-2026.02.23")
    first = _output(tmp_path / "antnode", "--version").splitlines()[0]
    assert first == "Autonomi Node -- Nightly Release 2026.02.23"
    assert _output(tmp_path / "antnode", "--crate-version") == "Crate version: 0.4.17\n"


def test_the_version_needs_no_python(tmp_path: Path) -> None:
    program = tmp_path / "antnode"
    write_program(program, "0.4.17", python="/no/such/python")
    assert _output(program, "--version") == RELEASE.format("0.4.17")
    assert subprocess.run([program, "--crate-version"], capture_output=True).returncode == 127


def test_python_gives_the_same_version_as_the_shell(program: Path) -> None:
    inner = [sys.executable, "-I", "-S", program, "--rewards-address", WALLET, "--version"]
    assert _output(*inner) == _output(program, "--version")
    assert _output(program, "--package-version") == "Package version: 2026.2.3.2\n"
    assert _output(program, "--protocol-version") == "Network version: ant/1.0/1\n"


def test_a_copy_works_with_a_python_whose_path_has_blanks_and_quotes(tmp_path: Path) -> None:
    odd = tmp_path / "it's a folder"
    odd.mkdir()
    python = odd / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    write_program(odd / "antnode", "0.4.17", python=str(python))
    copy = Path(shutil.copy2(odd / "antnode", odd / "a copy"))
    assert _output(copy, "--crate-version") == "Crate version: 0.4.17\n"


def test_a_program_does_not_use_the_environment_or_the_working_folder(program: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(99)\n")
    (tmp_path / "wnm").mkdir()
    (tmp_path / "wnm" / "__init__.py").write_text("raise SystemExit(98)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([program, "--crate-version"], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0


def test_a_program_replaces_an_older_one_and_stays_executable(tmp_path: Path) -> None:
    program = tmp_path / "antnode"
    write_program(program, "0.4.16")
    write_program(program, "0.4.17")
    assert program.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == [program]
    assert _output(program, "--version") == RELEASE.format("0.4.17")


def test_the_same_version_is_the_same_file(program: Path, tmp_path: Path) -> None:
    write_program(tmp_path / "again", "0.4.17")
    write_program(tmp_path / "newer", "0.4.18")
    assert (tmp_path / "again").read_bytes() == program.read_bytes()
    assert (tmp_path / "newer").read_bytes() != program.read_bytes()


def test_an_impossible_place_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "0.4.17", "--out", str(tmp_path / "missing" / "antnode")]) == 1
    assert (
        capsys.readouterr().err
        == f"{tmp_path}/missing/antnode cannot be written: No such file or directory\n"
    )
