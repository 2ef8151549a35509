"""requirements.txt and requirements-dev.lock follow pyproject.toml, and the gates notice when they do not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = ("pyproject.toml", "requirements.txt", "requirements-dev.lock")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the files that belong together and the two scripts that compare them."""
    (tmp_path / "scripts").mkdir()
    for name in (*FILES, "scripts/generate_requirements.py", "scripts/check_lock.py"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def run(copy: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts of the copy."""
    command = [sys.executable, str(copy / "scripts" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_requirements_are_what_pyproject_says(copy: Path) -> None:
    assert run(copy, "generate_requirements.py", "--check").returncode == 0


def test_a_changed_dependency_is_drift_until_generated_again(copy: Path) -> None:
    edit(copy / "pyproject.toml", '"rich>=13.7,<15"', '"rich>=13.8,<15"')
    checked = run(copy, "generate_requirements.py", "--check")
    assert checked.returncode == 1
    assert checked.stderr.count("\n") == 1
    assert "rich>=13.7" in (copy / "requirements.txt").read_text()
    assert run(copy, "generate_requirements.py").returncode == 0
    assert "rich>=13.8" in (copy / "requirements.txt").read_text()
    assert run(copy, "generate_requirements.py", "--check").returncode == 0


def test_a_missing_file_is_drift(copy: Path) -> None:
    (copy / "requirements.txt").unlink()
    assert run(copy, "generate_requirements.py", "--check").returncode == 1


def test_the_lock_pins_what_pyproject_asks_for(copy: Path) -> None:
    checked = run(copy, "check_lock.py")
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"rich>=13.7,<15"', '"rich>=99"', "outside of: rich>=99"),
        ('"rich>=13.7,<15"', '"richer>=1"', "not pinned: richer>=1"),
    ],
)
def test_a_lock_left_behind_is_noticed(copy: Path, old: str, new: str, complaint: str) -> None:
    edit(copy / "pyproject.toml", old, new)
    checked = run(copy, "check_lock.py")
    assert checked.returncode == 1
    assert complaint in checked.stderr


@pytest.mark.parametrize("line", ["rich>=13", "rich", "--index-url https://example.org/simple", "rich==14.*"])
def test_only_exact_pins_are_a_lock(copy: Path, line: str) -> None:
    with (copy / "requirements-dev.lock").open("a") as lock:
        lock.write(f"{line}\n")
    checked = run(copy, "check_lock.py")
    assert checked.returncode == 1
    assert f"not an exact pin: {line}" in checked.stderr


def test_the_lock_names_no_host_and_no_folder() -> None:
    text = (CHECKOUT / "requirements-dev.lock").read_text()
    assert not any(sign in text for sign in ("://", "@", "--"))
