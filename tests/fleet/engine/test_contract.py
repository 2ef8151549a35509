"""The promises of an engine, on a real Docker; what it did is compared with what `docker inspect` says."""

import gc
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fleet.engines import IMAGE, DockerMachine

from wnm_fleet.core.tasks import Task, TaskState
from wnm_fleet.core.workload import HealthCheck, Mount, Port, Spec
from wnm_fleet.engine.contract import (
    EngineUnreachable,
    ImageNotFound,
    Job,
    LogLine,
    NotThere,
    PortTaken,
    StartFailed,
    Stream,
)
from wnm_fleet.engine.local import LocalEngine

MIB = 1024 * 1024
# The SDK leaves sockets open with which it did not get through.
LEAKY = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def job(
    name: str,
    *argv: str,
    image: str = IMAGE,
    memory: int = 64 * MIB,
    ports: tuple[Port, ...] = (),
    **spec: object,
) -> Job:
    return Job(
        name=name,
        workload=name.removeprefix("wnm-"),
        attempt=1,
        spec=Spec(image=image, entrypoint=argv[:1], arguments=argv[1:], **spec),  # type: ignore[arg-type]
        image=image,
        memory_bytes=64 * MIB,
        ports=ports,
    )


def shell(name: str, script: str, **more: object) -> Job:
    return job(name, "sh", "-c", script, **more)  # type: ignore[arg-type]


def task(engine: LocalEngine, name: str) -> Task:
    return next(each for each in engine.tasks() if each.name == name)


def wait_for(engine: LocalEngine, name: str, holds: Callable[[Task], bool], seconds: float = 20) -> Task:
    until = time.monotonic() + seconds
    while not holds(found := task(engine, name)):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def ended(engine: LocalEngine, name: str) -> Task:
    return wait_for(engine, name, lambda each: each.state is TaskState.ENDED)


def texts(lines: object) -> list[tuple[Stream, str]]:
    return [(line.stream, line.text) for line in lines]  # type: ignore[attr-defined]


def test_an_engine_tells_what_it_is(engine: LocalEngine, docker_here: DockerMachine) -> None:
    facts, info = engine.facts(), docker_here.client.info()
    assert (facts.memory_bytes, facts.cores, facts.root) == (
        info["MemTotal"],
        info["NCPU"],
        info["DockerRootDir"],
    )
    assert facts.version == docker_here.client.version()["Version"]


def test_what_was_asked_for_is_what_docker_made(
    engine: LocalEngine, docker_here: DockerMachine, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("given")
    asked = shell(
        "wnm-a-1",
        'cat /data/in; echo "$WHO"; touch /data/x 2>/dev/null || echo read-only; sleep 60',
        environment={"WHO": "me"},
        mounts=(Mount(source=str(tmp_path), target="/data", is_read_only=True),),
        cores=0.5,
        pids=40,
        shm_bytes=8 * MIB,
        labels={"team": "blue"},
        grace=timedelta(seconds=7),
    )
    container = engine.start(asked)
    found = docker_here.client.inspect_container("wnm-a-1")
    host = found["HostConfig"]
    assert found["Id"] == container
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"], host["ShmSize"]) == (
        64 * MIB,
        64 * MIB,
        500_000_000,
        40,
        8 * MIB,
    )
    assert (host["RestartPolicy"]["Name"], host["OomScoreAdj"], host["Privileged"]) == ("no", 500, False)
    assert found["Config"]["StopTimeout"] == 7
    assert found["Config"]["Labels"]["team"] == "blue"
    wait_for(engine, "wnm-a-1", lambda each: each.state is TaskState.RUNNING)
    time.sleep(0.5)
    assert [text for _, text in texts(engine.logs("wnm-a-1"))] == ["givenme", "read-only"]


def test_a_container_that_asked_for_no_gpu_is_shown_none(engine: LocalEngine) -> None:
    engine.start(shell("wnm-a-1", "echo $NVIDIA_VISIBLE_DEVICES"))
    ended(engine, "wnm-a-1")
    assert texts(engine.logs("wnm-a-1")) == [(Stream.OUT, "void")]
    assert engine.gpus_inside("wnm-a-1") is None


@pytest.mark.parametrize(
    ("script", "code", "is_oom"),
    [
        ("exit 0", 0, False),
        ("exit 3", 3, False),
        ("kill -TERM $$; sleep 5", 143, False),
        ("kill -KILL $$", 137, False),
        ("x=$(head -c 200000000 /dev/zero | od -v)", 137, True),
    ],
    ids=["good", "bad", "by TERM", "by KILL", "out of memory"],
)
def test_an_end_is_told_as_docker_tells_it(
    engine: LocalEngine, docker_here: DockerMachine, script: str, code: int, is_oom: bool
) -> None:
    before = datetime.now(UTC)
    engine.start(shell("wnm-a-1", f"trap - TERM; {script}"))
    found = ended(engine, "wnm-a-1")
    state = docker_here.client.inspect_container("wnm-a-1")["State"]
    assert (found.exit_code, found.is_oom_killed) == (state["ExitCode"], state["OOMKilled"])
    assert found.is_oom_killed is is_oom
    if not is_oom:
        assert found.exit_code == code
    assert found.started_at is not None
    assert found.ended_at is not None
    assert (
        before - timedelta(seconds=2)
        < found.started_at
        <= found.ended_at
        < datetime.now(UTC) + timedelta(seconds=2)
    )


def test_a_start_that_is_asked_for_again_starts_nothing_more(
    engine: LocalEngine, docker_here: DockerMachine
) -> None:
    asked = shell("wnm-a-1", "echo once; sleep 60")
    others = [LocalEngine(docker_here.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        containers = set(pool.map(lambda other: other.start(asked), others))
    for other in others:
        other.close()
    assert len(containers) == 1
    assert len(engine.tasks()) == 1
    assert engine.start(asked) in containers


def test_one_that_has_ended_is_not_started_by_a_repeated_request(engine: LocalEngine) -> None:
    asked = shell("wnm-a-1", "echo ran")
    engine.start(asked)
    first = ended(engine, "wnm-a-1")
    engine.start(asked)
    time.sleep(0.5)
    assert task(engine, "wnm-a-1") == first
    assert texts(engine.logs("wnm-a-1")) == [(Stream.OUT, "ran")]


def test_one_that_was_made_and_not_started_is_started_by_the_repeated_request(
    engine: LocalEngine, docker_here: DockerMachine
) -> None:
    asked = shell("wnm-a-1", "sleep 60")
    engine.facts()
    engine._create(asked)
    assert task(engine, "wnm-a-1").state is TaskState.CREATED
    engine.start(asked)
    assert task(engine, "wnm-a-1").state is TaskState.RUNNING


def test_a_stop_asks_first_and_keeps_the_code(engine: LocalEngine) -> None:
    engine.start(shell("wnm-a-1", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done"))
    wait_for(engine, "wnm-a-1", lambda _: bool(texts(engine.logs("wnm-a-1"))))
    engine.stop("wnm-a-1", timedelta(seconds=10))
    assert task(engine, "wnm-a-1").exit_code == 5
    assert texts(engine.logs("wnm-a-1"))[-1] == (Stream.OUT, "bye")


def test_one_that_does_not_listen_is_ended_after_its_grace(engine: LocalEngine) -> None:
    engine.start(shell("wnm-a-1", "trap '' TERM; echo up; while :; do sleep 0.1; done"))
    wait_for(engine, "wnm-a-1", lambda _: bool(texts(engine.logs("wnm-a-1"))))
    before = time.monotonic()
    engine.stop("wnm-a-1", timedelta(seconds=2))
    assert 1.5 < time.monotonic() - before < 8
    assert task(engine, "wnm-a-1").exit_code == 137


def test_a_stop_by_force_takes_two_seconds_at_most(engine: LocalEngine) -> None:
    engine.start(shell("wnm-a-1", "trap '' TERM; while :; do sleep 0.1; done"))
    before = time.monotonic()
    engine.stop("wnm-a-1", timedelta())
    assert time.monotonic() - before < 2
    assert task(engine, "wnm-a-1").state is TaskState.ENDED


def test_stopping_and_forgetting_twice_is_harmless(engine: LocalEngine) -> None:
    engine.start(shell("wnm-a-1", "sleep 60"))
    for _ in range(2):
        engine.stop("wnm-a-1", timedelta())
    for _ in range(2):
        engine.forget("wnm-a-1")
        engine.stop("wnm-a-1", timedelta(seconds=1))
    assert engine.tasks() == ()


def test_both_outputs_are_told_apart_and_stay_in_order(engine: LocalEngine) -> None:
    engine.start(
        shell(
            "wnm-a-1",
            "for i in 1 2 3; do echo out$i; sleep 0.05; echo err$i >&2; sleep 0.05; done; printf rest",
        )
    )
    ended(engine, "wnm-a-1")
    expected = [(stream, f"{stream.value[3:]}{i}") for i in (1, 2, 3) for stream in Stream]
    assert texts(engine.logs("wnm-a-1")) == [*expected, (Stream.OUT, "rest")]
    assert texts(engine.logs("wnm-a-1", tail=2)) == [(Stream.ERR, "err3"), (Stream.OUT, "rest")]
    stamps = [line.at for line in engine.logs("wnm-a-1")]
    assert stamps == sorted(stamps)
    assert texts(engine.logs("wnm-a-1", since=stamps[4])) == [*expected[4:], (Stream.OUT, "rest")]


def test_following_ends_with_the_container_and_is_prompt(engine: LocalEngine) -> None:
    engine.start(shell("wnm-a-1", "echo first; sleep 1; echo last"))
    seen: list[tuple[float, LogLine]] = []
    for line in engine.logs("wnm-a-1", follow=True):
        seen.append((time.time() - line.at.timestamp(), line))
    assert [line.text for _, line in seen] == ["first", "last"]
    assert seen[1][0] < 2


def test_a_health_check_is_told_when_it_has_a_result(engine: LocalEngine) -> None:
    check = HealthCheck(command=("test", "-e", "/ready"), interval=timedelta(milliseconds=300), retries=2)
    engine.start(shell("wnm-a-1", "sleep 1; echo > /ready; sleep 60", health=check))
    assert task(engine, "wnm-a-1").is_healthy is None or not task(engine, "wnm-a-1").is_healthy
    wait_for(engine, "wnm-a-1", lambda each: each.is_healthy is True)


def test_a_port_is_reached_from_the_machine_and_a_taken_one_is_refused(
    engine: LocalEngine, docker_here: DockerMachine
) -> None:
    server = "echo hello > /index.html; httpd -f -p 8080 -h /"
    engine.start(shell("wnm-a-1", server, ports=(Port(container=8080, host=18080),)))
    until = time.monotonic() + 10
    while True:
        try:
            answer = docker_here.run(["/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:18080/"])
            break
        except subprocess.CalledProcessError:
            assert time.monotonic() < until
            time.sleep(0.2)
    assert answer == "hello\n"
    with pytest.raises(PortTaken):
        engine.start(shell("wnm-b-1", server, ports=(Port(container=8080, host=18080),)))


def test_an_image_that_is_not_here_is_said(engine: LocalEngine) -> None:
    with pytest.raises(ImageNotFound, match="nowhere:1 is not on this machine"):
        engine.start(shell("wnm-a-1", "true", image="nowhere:1"))
    assert engine.digest("nowhere:1") is None
    assert (engine.digest(IMAGE) or "").startswith("sha256:")


def test_a_folder_that_is_not_there_is_refused_and_nothing_stays(engine: LocalEngine) -> None:
    with pytest.raises(StartFailed, match="/no/such/place"):
        engine.start(shell("wnm-a-1", "true", mounts=(Mount(source="/no/such/place", target="/x"),)))
    assert engine.tasks() == ()


def test_a_program_that_is_not_in_the_image_ends_with_127_and_its_name_in_the_log(
    engine: LocalEngine,
) -> None:
    engine.start(job("wnm-a-1", "no-such-program"))
    assert ended(engine, "wnm-a-1").exit_code == 127
    assert "no-such-program" in next(engine.logs("wnm-a-1")).text


def test_a_container_of_somebody_else_is_neither_shown_nor_taken(
    engine: LocalEngine, docker_here: DockerMachine
) -> None:
    client = docker_here.client
    client.create_container(IMAGE, ["sleep", "60"], name="wnm-a-1")
    try:
        assert engine.tasks() == ()
        with pytest.raises(StartFailed, match="wnm-fleet did not make"):
            engine.start(shell("wnm-a-1", "true"))
    finally:
        client.remove_container("wnm-a-1", force=True)


def test_the_logs_of_one_that_is_not_there_are_refused(engine: LocalEngine) -> None:
    with pytest.raises(NotThere, match="wnm-none"):
        list(engine.logs("wnm-none"))


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # docker leaves sockets that failed
def test_an_engine_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match=r"answer: No such file or directory$"):
        LocalEngine(f"unix://{tmp_path}/none.sock").tasks()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "dead.sock"))
    listening.close()
    with pytest.raises(EngineUnreachable, match=r"answer: Connection refused$"):
        LocalEngine(f"unix://{tmp_path}/dead.sock").tasks()
    gc.collect()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # docker leaves sockets that failed
def test_docker_stopped_and_started_again_is_met_with_the_same_object(
    engine: LocalEngine, docker_here: DockerMachine
) -> None:
    engine.start(shell("wnm-a-1", "echo up; sleep 60"))
    docker_here.end(signal.SIGTERM)
    with pytest.raises(EngineUnreachable):
        engine.tasks()
    docker_here.up()
    found = task(engine, "wnm-a-1")
    # Docker ends its containers when it is stopped.
    assert found.state is TaskState.ENDED


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # docker leaves sockets that failed
def test_a_follower_ends_when_docker_is_killed(engine: LocalEngine, docker_here: DockerMachine) -> None:
    engine.start(shell("wnm-a-1", "echo up; sleep 60"))
    seen: list[str] = []
    errors: list[Exception] = []

    def follow() -> None:
        try:
            seen.extend(line.text for line in engine.logs("wnm-a-1", follow=True))
        except EngineUnreachable as error:
            errors.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    time.sleep(1)
    docker_here.end(signal.SIGKILL)
    thread.join(10)
    assert not thread.is_alive()
    assert (seen, len(errors)) == (["up"], 1)
    docker_here.up()
    gc.collect()
