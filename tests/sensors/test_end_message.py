"""A node's own words of its end, and that those of an earlier process are not taken for its own."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.builders import row

from wnm.core.node import Node, output_log
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.node_files import critical_failure, end_message

PANIC = "thread 'main' panicked at src/main.rs:1:2:\nboom\n"
ANTNODE = KINDS["antnode"]
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def node_in(folder: Path) -> Node:
    """A node that began at BEGAN, with its logs in a folder."""
    return row(1, log_dir=str(folder / "antnode0001"), process_started_at=BEGAN, status_since=BEGAN)


def write(path: str, text: str, minutes: float) -> None:
    """A file that was written so many minutes after BEGAN."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    at = (BEGAN + timedelta(minutes=minutes)).timestamp()
    os.utime(path, (at, at))


@pytest.mark.parametrize(
    ("minutes", "expected"), [(3, "thread 'main' panicked at src/main.rs:1:2: boom"), (-3, None)]
)
def test_what_was_printed_before_this_process_began_is_not_its_own(
    tmp_path: Path, minutes: float, expected: str | None
) -> None:
    node = node_in(tmp_path)
    write(output_log(node), PANIC, minutes)
    assert end_message(node, ANTNODE) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(3, "disk full"), (0, "disk full"), (-3, None)])
def test_a_critical_failure_that_nobody_cleared_is_that_of_an_earlier_process(
    tmp_path: Path, minutes: float, expected: str | None
) -> None:
    node = node_in(tmp_path)
    write(f"{node.log_dir}/critical_failure.log", "disk full\n", minutes)
    assert critical_failure(node, ANTNODE) == expected
    assert end_message(node, ANTNODE) == expected


def test_a_refused_argument_is_the_reason_and_not_the_panic_before_it(tmp_path: Path) -> None:
    node = node_in(tmp_path)
    refusal = "error: unexpected argument '--no-upnp' found"
    write(output_log(node), f"{PANIC}{refusal}\n\nUsage: antnode [OPTIONS]\n", 1)
    assert end_message(node, ANTNODE) == refusal


@pytest.mark.parametrize(("minutes", "expected"), [(3, "its log ends: two | three"), (-3, None)])
def test_one_that_printed_nothing_has_its_log(tmp_path: Path, minutes: float, expected: str | None) -> None:
    node = node_in(tmp_path)
    write(f"{node.log_dir}/antnode.log", "one\ntwo\nthree\n", minutes)
    assert end_message(node, ANTNODE) == expected


def test_what_its_log_says_to_have_ended_it_comes_first(tmp_path: Path) -> None:
    node = node_in(tmp_path)
    ended = "[2026-03-01T12:00:01.000000Z ERROR ant_node 1] Node terminated due to: HardDiskWriteError"
    write(f"{node.log_dir}/antnode.log", f"{ended}\nand so on\n", 1)
    assert end_message(node, ANTNODE) == "HardDiskWriteError"


def told(*messages: str) -> str:
    """Lines of an ant-node, the last of a process that began after another one."""
    begun = ['ant-node starting version="0.22.0"', "Node running, waiting for shutdown signal"]
    said = [*begun, 'ant-node starting version="0.23.1"', *messages]
    return "".join(f"2026-03-01T12:00:01.000000Z  INFO ant_node::node: {message}\n" for message in said)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (
            ["Node running, waiting for shutdown signal", "Received SIGTERM, initiating shutdown"],
            "its log says that it was told to stop",
        ),
        (
            ["Successfully upgraded to version 0.24.0! Restarting...", "Goodbye!"],
            "it stopped to go on as 0.24.0, which it had put in the place of its program",
        ),
        (["P2P node started"], "it was killed before it was fully started"),
        (
            ["Node running, waiting for shutdown signal", "CRITICAL: the store is lost"],
            "CRITICAL: the store is lost",
        ),
    ],
)
def test_ends_of_an_ant_node_are_told_apart(tmp_path: Path, messages: list[str], expected: str) -> None:
    node = node_in(tmp_path)
    write(f"{node.log_dir}/ant-node.2026-03-01.log", told(*messages), 1)
    assert end_message(node, KINDS["ant-node"]) == expected


def test_a_crash_is_told_by_its_last_complaints(tmp_path: Path) -> None:
    node = node_in(tmp_path)
    complaint = "2026-03-01T12:00:02.000000Z  WARN ant_node::storage: Failed to store chunk ab: odd\n"
    write(
        f"{node.log_dir}/ant-node.2026-03-01.log",
        told("Node running, waiting for shutdown signal") + complaint,
        1,
    )
    assert (
        end_message(node, KINDS["ant-node"])
        == "the last that its log complains of: Failed to store chunk ab: odd"
    )
