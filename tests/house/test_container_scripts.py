"""The container suite says when it was not run, counts what it skipped, and people start the machine that it starts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TEST = str(CHECKOUT / "scripts" / "test.sh")
TOOLS = ("bash", "dirname", "id")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH with the little that the scripts need before they ask for Docker."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return folder


def run(argv: list[str], tools: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that finds nothing but the tools."""
    environment = {**os.environ, "PATH": str(tools)}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def test_without_docker_the_last_lines_say_what_was_not_run_and_why(tools: Path) -> None:
    ran = run([TEST, "--if-possible"], tools)
    assert ran.returncode == 0
    what, why = ran.stderr.splitlines()[-2:]
    assert "NOT run" in what
    assert "tests/systemd" in what
    assert why == "container: Docker is not installed: sudo apt install docker.io debootstrap"


def test_without_docker_it_is_a_failure_where_the_suite_must_run(tools: Path) -> None:
    ran = run([TEST], tools)
    assert ran.returncode == 3
    assert "NOT run" in ran.stderr


def test_a_user_who_may_not_use_docker_reads_how_to_be_let_in(tools: Path) -> None:
    docker = tools / "docker"
    docker.write_text(
        "#!/bin/sh\necho 'permission denied while trying to connect to the socket' >&2\nexit 1\n"
    )
    docker.chmod(0o755)
    ran = run([TEST, "--if-possible"], tools)
    assert ran.returncode == 0
    assert "usermod -aG docker" in ran.stderr.splitlines()[-1]


def rehearsed(*arguments: str) -> list[str]:
    """What `make test` would run."""
    command = ["make", "--no-print-directory", "--dry-run", "test", *arguments]
    clean = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "ARGS", "CONTAINER"}
    }
    ran = subprocess.run(command, cwd=CHECKOUT, env=clean, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_make_test_runs_the_container_suite_last_and_may_insist_on_it() -> None:
    assert rehearsed()[-1] == "scripts/test.sh --if-possible"
    assert rehearsed("CONTAINER=")[-1].strip() == "scripts/test.sh"


def test_make_test_with_arguments_says_that_the_container_suite_is_left_out() -> None:
    *_, pytest_line, last = rehearsed("ARGS=-k 'one or other'")
    assert pytest_line.endswith("-k 'one or other'")
    assert last.startswith("echo ")
    assert "container suite is left out" in last


def test_compose_starts_the_machine_that_the_script_starts() -> None:
    script = (CHECKOUT / "scripts" / "container.sh").read_text(encoding="utf-8")
    compose = (CHECKOUT / "docker" / "compose.yaml").read_text(encoding="utf-8")

    def of_script(option: str) -> list[str]:
        return re.findall(rf"--{option} \"?([^\s\")]+)", script)

    def of_compose(key: str) -> list[str]:
        found = re.search(rf"^    {key}: (.*)$", compose, re.MULTILINE)
        assert found is not None
        return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^\s,\[\]"]+)', found[1])]

    assert of_script("cap-add") == of_compose("cap_add") != []
    assert of_script("security-opt") == of_compose("security_opt") != []
    assert of_script("cgroupns") == of_compose("cgroup") != []
    assert of_script("tmpfs") == of_compose("tmpfs") != []
    assert "privileged" not in script + compose


@pytest.mark.parametrize(
    ("mark", "skips", "status"),
    [("systemd", True, 20), ("systemd", False, 0), ("macos", True, 0)],
    ids=["left out", "run", "meant for elsewhere"],
)
def test_a_skipped_test_that_is_marked_for_the_machine_is_a_failure(
    tmp_path: Path, mark: str, skips: bool, status: int
) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(
        f"import pytest\n\n\n@pytest.mark.{mark}\ndef test_it():\n"
        f"    if {skips}:\n        pytest.skip('no such thing here')\n"
    )
    settings = f"--config-file={CHECKOUT / 'pyproject.toml'}"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.systemd.nothing_left_out",
        settings,
        str(test),
    ]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stdout
    assert ("left out though" in ran.stdout) == bool(status)
