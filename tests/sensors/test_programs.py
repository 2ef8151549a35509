"""Programs on disk that say, do not say or cannot say what they are."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from wnm.core.observation import ProgramReading, Unseen
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.programs import read_program
from wnm_sim.make_program import write_program

PATIENCE = timedelta(seconds=20)


class Program:
    """A shell script as node program, which notes each time it is started."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "antnode"
        self._starts = folder / "starts"

    def write(self, body: str) -> None:
        self.path.write_text(f"#!/bin/sh\necho x >> '{self._starts}'\n{body}\n")
        self.path.chmod(0o755)

    def says(self, output: str) -> None:
        self.write(f"cat <<'EOF'\n{output}\nEOF")

    @property
    def starts(self) -> int:
        return len(self._starts.read_text().splitlines()) if self._starts.exists() else 0

    def read(
        self, remembered: ProgramReading | None = None, timeout: timedelta = PATIENCE
    ) -> ProgramReading | Unseen:
        return read_program(str(self.path), remembered, timeout=timeout)

    def seen(self, remembered: ProgramReading | None = None, timeout: timedelta = PATIENCE) -> ProgramReading:
        found = self.read(remembered, timeout)
        assert isinstance(found, ProgramReading)
        assert found.path == str(self.path)
        return found


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_it_is_asked_once_for_each_file(program: Program) -> None:
    program.says("Autonomi Node v0.4.17")
    first = program.seen()
    assert (first.version, first.kind) == ("0.4.17", "antnode")
    assert program.seen(first) == first
    assert program.starts == 1
    program.says("Autonomi Node v0.4.18-rc.1")
    second = program.seen(first)
    assert (second.version, program.starts) == ("0.4.18-rc.1", 2)
    assert second.stamp != first.stamp


def test_a_newer_file_of_the_same_size_is_noticed(program: Program) -> None:
    program.says("Autonomi Node v0.4.17")
    first = program.seen()
    program.says("Autonomi Node v0.4.18")
    os.utime(program.path, ns=(1, 1))
    assert program.seen(first).version == "0.4.18"


def test_what_is_remembered_of_another_path_does_not_count(program: Program) -> None:
    program.says("Autonomi Node v0.4.17")
    elsewhere = ProgramReading(path="/elsewhere", stamp=program.seen().stamp, version="9.9.9")
    assert program.seen(elsewhere).version == "0.4.17"


@pytest.mark.parametrize(
    ("output", "kind", "version"),
    [
        ("Autonomi Node v0.4.17\nNetwork version: ant/1.0/1", "antnode", "0.4.17"),
        ("Autonomi Node -- Nightly Release 2026.02.23", "antnode", "nightly 2026.02.23"),
        ("ant-node 0.14.2", "ant-node", "0.14.2"),
        ("ant-node 0.17.2-beta.2", "ant-node", "0.17.2-beta.2"),
    ],
)
def test_the_kind_is_what_the_program_says(program: Program, output: str, kind: str, version: str) -> None:
    program.says(output)
    assert (program.seen().kind, program.seen().version) == (kind, version)


@pytest.mark.parametrize("kind", ["antnode", "ant-node"])
def test_simulated_programs_say_what_they_are(program: Program, kind: str) -> None:
    write_program(program.path, "0.14.2", kind=kind)
    assert (program.seen().kind, program.seen().version) == (kind, "0.14.2")


@pytest.mark.parametrize("refusal", ["exit", "hang"])
def test_a_version_that_does_not_say_what_it_is(program: Program, refusal: str) -> None:
    write_program(program.path, "0.4.18", misbehave=json.dumps({"refuse_version": refusal}))
    found = program.seen(timeout=timedelta(seconds=0.5))
    assert isinstance(found.version, Unseen)
    assert found.kind is None


def test_a_kind_that_is_not_asked_for_is_not_recognised(program: Program) -> None:
    program.says("ant-node 0.14.2")
    only = {"antnode": KINDS["antnode"]}
    found = read_program(str(program.path), None, timeout=PATIENCE, kinds=only)
    assert isinstance(found, ProgramReading)
    assert isinstance(found.version, Unseen)
    assert "ant-node 0.14.2" in found.version.reason


@pytest.mark.parametrize(
    "body",
    [
        "echo hello",
        "exit 0",
        "echo Autonomi Node v0.4.17; exit 3",
        "kill -9 $$",
        "head -c 100000 /dev/urandom",
    ],
)
def test_a_program_that_does_not_say_what_it_is(program: Program, body: str) -> None:
    program.write(body)
    found = program.seen()
    assert isinstance(found.version, Unseen)
    assert str(program.path) in found.version.reason
    assert found.version.reason.isprintable()
    assert found.kind is None


def test_a_program_that_hangs_is_ended_and_asked_again_the_next_time(program: Program) -> None:
    program.write(f"test -e '{program.path}.late' && echo Autonomi Node v0.4.17 && exit; sleep 600")
    first = program.seen(timeout=timedelta(seconds=0.5))
    assert isinstance(first.version, Unseen)
    assert str(program.path) in first.version.reason
    Path(f"{program.path}.late").touch()
    assert program.seen(first).version == "0.4.17"


def test_without_time_it_is_not_asked(program: Program) -> None:
    program.says("Autonomi Node v0.4.17")
    found = program.seen(timeout=timedelta(0))
    assert isinstance(found.version, Unseen)
    assert program.starts == 0
    assert found.stamp == program.seen().stamp


def test_a_half_written_program(program: Program) -> None:
    program.path.write_bytes(b"\x7fELF\x02\x01\x01")
    program.path.chmod(0o755)
    found = program.seen()
    assert isinstance(found.version, Unseen)
    assert str(program.path) in found.version.reason


def test_what_is_no_program(program: Program, tmp_path: Path) -> None:
    assert "No such file" in _reason(program.read(), program.path)
    program.path.write_text("not for running")
    program.path.chmod(0o644)
    assert "not executable" in _reason(program.read(), program.path)
    assert "not a regular file" in _reason(read_program(str(tmp_path), None, timeout=PATIENCE), tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o755)
    assert "not a regular file" in _reason(read_program(str(pipe), None, timeout=PATIENCE), pipe)
    assert isinstance(read_program("\0", None, timeout=PATIENCE), Unseen)


def _reason(found: ProgramReading | Unseen, path: Path) -> str:
    assert isinstance(found, Unseen)
    assert str(path) in found.reason
    return found.reason
