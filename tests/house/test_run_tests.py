"""A test that fails is given one more try, if few fail; what fails twice, or with many others, fails the run."""

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
    (tmp_path / "test_it.py").write_text(text)
    settings = f"--config-file={CHECKOUT / 'pyproject.toml'}"
    command = [
        sys.executable,
        "scripts/run_tests.py",
        settings,
        "-n",
        "0",
        "--dist",
        "worksteal",
        str(tmp_path),
    ]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stdout
    assert ran.stdout.count("= test session starts =") == tries
    assert ("UNSTEADY" in ran.stdout) == unsteady
    assert ran.stdout.endswith("test_it.py::test_first_time\n") == unsteady
