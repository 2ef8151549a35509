"""The commands as a person types them, on one machine with a real Docker."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fleet import engines

PROGRAM = Path(sys.executable).with_name("clawbernetes")


class Person:
    """Types commands on a machine."""

    def __init__(self, machine: engines.DockerMachine, home: Path) -> None:
        self.machine, self.home = machine, home
        self.environment = {
            **os.environ,
            "DOCKER_HOST": machine.url,
            "WNM_FLEET_HOME": str(home),
            "CLAWBERNETES_GATEWAY_URL": "local:",
        }

    def type(self, *argv: str, code: int = 0, **more: str) -> str:
        """Type a command; return what it printed, on both outputs."""
        ran = subprocess.run(
            [PROGRAM, *argv],
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == code, (argv, ran.returncode, ran.stdout)
        return ran.stdout

    def run(self, script: str, *options: str) -> str:
        """Submit a shell script; return its id."""
        return self.type("run", "--image", engines.IMAGE, *options, "--command", f"sh -c '{script}'").split()[
            0
        ]

    def state(self, workload: str) -> dict[str, object]:
        """What `workload status --json` says."""
        found: dict[str, object] = json.loads(self.type("workload", "status", workload, "--json"))
        return found

    def wait_for(self, workload: str, *states: str) -> dict[str, object]:
        until = time.monotonic() + 60
        while (found := self.state(workload))["state"] not in states:
            assert time.monotonic() < until, found
            time.sleep(0.3)
        return found


@pytest.fixture(scope="module")
def docker_here() -> Iterator[engines.DockerMachine]:
    """A machine with Docker."""
    if (reason := engines.missing()) is not None:
        if os.environ.get("TESTS_NEED_DOCKER"):
            pytest.fail(f"the engine {reason}")
        pytest.skip(f"the engine {reason}")
    with engines.docker_machine(Path("/tmp") / f"wnm-c{os.getpid()}") as machine:
        yield machine


@pytest.fixture
def person(docker_here: engines.DockerMachine, tmp_path: Path) -> Iterator[Person]:
    """A person with nothing submitted."""
    person = Person(docker_here, tmp_path / "home")
    yield person
    for each in docker_here.client.containers(all=True):
        docker_here.client.remove_container(each["Id"], force=True)


def test_a_workload_from_submission_to_its_end(person: Person) -> None:
    workload = person.run("echo out; echo err >&2; sleep 8", "--name", "hello", "--env", "A=secret value")
    assert person.state("hello")["state"] == "running"
    shown = person.wait_for(workload[:4], "completed")
    assert (shown["exit_code"], shown["error"], shown["machine"]) == (
        0,
        None,
        os.uname().nodename.partition(".")[0],
    )
    assert "secret" not in json.dumps(shown)
    assert person.type("logs", "hello") in ("out\nerr\n", "err\nout\n")
    assert "completed" in person.type("workload", "list")
    assert json.loads(person.type("workload", "list", "--running", "--json")) == []
    assert "exited with 0" in person.type("workload", "status", workload)
    events = person.type("node", "events", os.uname().nodename.partition(".")[0])
    assert all(word in events for word in ("submitted", "starting", "running", "completed"))


def test_following_shows_everything_and_ends_with_the_workload(person: Person) -> None:
    workload = person.run("for i in 1 2 3; do echo line $i; sleep 0.5; done")
    assert person.type("workload", "logs", workload, "--follow") == "line 1\nline 2\nline 3\n"
    assert person.type("logs", workload, "--tail", "1") == "line 3\n"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--level", "error"), "ERROR two\nfatal: three\n"),
        (("--search", "^four$"), "four\n"),
        (("--search", "two", "--context", "1"), "info one\nERROR two\nfatal: three\n"),
        (("--tail", "2"), "fatal: three\nfour\n"),
        (("--since", "1h ago"), "info one\nERROR two\nfatal: three\nfour\n"),
        (("--since", "2999-01-01"), ""),
    ],
)
def test_output_is_filtered(person: Person, options: tuple[str, ...], shown: str) -> None:
    workload = person.run("echo info one; echo ERROR two; echo fatal: three; echo four")
    person.wait_for(workload, "completed")
    assert person.type("logs", workload, *options) == shown


def test_a_failure_says_its_code_and_a_remedy(person: Person) -> None:
    assert "exited with 3" in str(person.wait_for(person.run("exit 3"), "failed")["detail"])
    big = person.run("x=$(head -c 200000000 /dev/zero | od -v)", "--memory", "64Mi")
    assert person.wait_for(big, "failed")["error"] == "OOM_KILLED"
    assert "--memory" in person.type("workload", "status", big)
    late = person.run("sleep 60", "--timeout", "1s")
    assert person.wait_for(late, "failed")["error"] == "WORKLOAD_TIMEOUT"


def test_cancelling_what_runs_and_what_waits_and_twice(person: Person) -> None:
    running, waiting = person.run("sleep 60"), person.run("sleep 60", "--gpus", "1")
    assert "waits for  no machine could ever hold it" in person.type("workload", "status", waiting)
    for workload in (running, waiting, running):
        assert person.type("workload", "cancel", workload) == f"{workload} cancelled\n"
    assert person.machine.client.containers(all=True) == []


def test_a_file_and_options_over_it(person: Person, tmp_path: Path) -> None:
    file = tmp_path / "workload.yaml"
    file.write_text(f"image: {engines.IMAGE}\nname: from-file\ncommand: sleep 60\nmemory: 64Mi\n")
    workload = person.type("run", "--file", str(file), "--name", "scaled-run").split()[0]
    found = person.machine.client.inspect_container(f"wnm-{workload}-1")
    assert found["HostConfig"]["Memory"] == 64 << 20
    assert person.state("scaled-run")["id"] == workload
    file.write_text("image: x\nimages: y\n")
    assert "unknown key `images`" in person.type("run", "--file", str(file), code=2)


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("run",), 2, "give --image"),
        (("run", "--image", "app:1", "--memory", "lots"), 2, "--memory"),
        (("workload", "status", "nothing"), 4, "no workload 'nothing'"),
        (("workload", "cancel", "nothing"), 4, "no workload"),
        (("node", "info", "nothing"), 4, "no node 'nothing'"),
        (("logs", "x", "--search", "("), 2, "no regular expression"),
        (("workload", "list", "--since", "soon"), 2, "--since 'soon'"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_what_is_refused(person: Person, argv: tuple[str, ...], code: int, words: str) -> None:
    assert words in person.type(*argv, code=code)


def test_without_a_gateway_it_says_what_to_do(person: Person) -> None:
    said = person.type("status", code=3, CLAWBERNETES_GATEWAY_URL="ws://localhost:9000")
    assert "ECONNREFUSED" in said
    assert "CLAWBERNETES_GATEWAY_URL=local:" in said


def test_without_docker_the_queue_keeps_and_says_so(person: Person, tmp_path: Path) -> None:
    person.environment["DOCKER_HOST"] = f"unix://{tmp_path}/none.sock"
    workload = person.type("run", "--image", engines.IMAGE, "--command", "true").split()[0]
    assert "Docker does not answer" in person.type("status")
    person.environment["DOCKER_HOST"] = person.machine.url
    person.wait_for(workload, "completed")


def test_kills_at_random_start_nothing_twice_and_lose_nothing(person: Person, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    mount = ("--mount", f"{tmp_path}/out:/out")
    command = "sh -c 'echo x >> /out/{}'"
    ids = [
        person.type("run", "--image", "later:1", *mount, "--command", command.format(number)).split()[0]
        for number in range(6)
    ]
    person.machine.client.tag(engines.IMAGE, "later", "1")
    for _ in range(15):
        process = subprocess.Popen(
            [PROGRAM, "sweep"], env=person.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.3, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    for workload in ids:
        person.wait_for(workload, "completed")
    ran = {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}
    assert ran == {str(number): "x\n" for number in range(6)}, f"seed {seed}"
