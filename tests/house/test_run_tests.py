"""A test that fails gets one more try, if few fail and it did not need one before; anything else fails the run."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ONCE = """
from pathlib import Path

def test_steady():
    pass

def test_first_time():
    mark = Path(__file__).with_name("tried")
    tried = mark.exists()
    mark.touch()
    assert tried
"""
TWICE = "def test_always():\n    assert False\n"
MANY = "import pytest\n\n@pytest.mark.parametrize('each', range(4))\ndef test_one(each):\n    assert False\n"


@pytest.mark.parametrize(
    ("text", "status", "tries", "unsteady"),
    [
        ("def test_good():\n    pass\n", 0, 1, False),
        (ONCE, 0, 2, True),
        (TWICE, 1, 2, False),
        (MANY, 1, 1, False),
        ("import no_such_module\n", 2, 1, False),
    ],
    ids=["good", "once", "always", "many", "cannot be read"],
)
def test_second_tries(tmp_path: Path, text: str, status: int, tries: int, unsteady: bool) -> None:
    ran = run(tmp_path, text)
    assert ran.returncode == status, ran.stdout
    assert ran.stdout.count("= test session starts =") == tries
    assert ("UNSTEADY" in ran.stdout) == unsteady
    assert [name.rpartition("/")[2] for name in names(tmp_path)] == ["test_it.py::test_first_time"] * unsteady


@pytest.mark.parametrize("once_listed", [0, 1, 2], ids=["first run", "second run", "third run"])
def test_a_test_that_was_unsteady_before_fails_the_run(tmp_path: Path, once_listed: int) -> None:
    for _ in range(once_listed):
        run(tmp_path, ONCE)
        (tmp_path / "tried").unlink()
    ran = run(tmp_path, ONCE)
    assert ran.returncode == (1 if once_listed else 0), ran.stdout
    assert ("STILL UNSTEADY" in ran.stdout) == bool(once_listed)
    assert len(names(tmp_path)) == 1


def test_a_name_on_the_list_stands_for_all_its_parameters(tmp_path: Path) -> None:
    some = ONCE.replace(
        "def test_first_time():", "import pytest\n@pytest.mark.parametrize('a', [1])\ndef test_first_time(a):"
    )
    run(tmp_path, some)
    (tmp_path / "tried").unlink()
    (name,) = names(tmp_path)
    assert name.endswith("[1]")
    (tmp_path / "unsteady.txt").write_text(f"# a remark\n\n{name.partition('[')[0]}\n")
    assert run(tmp_path, some).returncode == 1


def test_a_steady_run_does_not_mind_the_list(tmp_path: Path) -> None:
    (tmp_path / "unsteady.txt").write_text("tests/test_it.py::test_good\n")
    assert run(tmp_path, "def test_good():\n    pass\n").returncode == 0


def test_the_list_names_tests_that_there_are() -> None:
    for name in names(CHECKOUT / "tests"):
        file, _, test = name.partition("::")
        assert f"def {test.partition('[')[0]}(" in (CHECKOUT / file).read_text()


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in this text; the list of unsteady ones lies in the folder, too."""
    (folder / "test_it.py").write_text(text)
    settings = f"--config-file={CHECKOUT / 'pyproject.toml'}"
    command = [sys.executable, "scripts/run_tests.py", "--unsteady", str(folder / "unsteady.txt"), settings]
    command += ["-n", "0", "--dist", "worksteal", str(folder)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def names(folder: Path) -> list[str]:
    """The tests on the list."""
    path = folder / "unsteady.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line and not line.startswith("#")]
