"""A node's log is read on from where the last look ended, whatever became of it meanwhile."""

import os
from pathlib import Path

from tests.builders import row

from wnm.core.node import Node
from wnm.core.node_log import KeptLog, Proof, evidence
from wnm.core.observation import Unseen
from wnm.node_kinds.kinds import KINDS
from wnm.sensors.node_files import LOG_TAIL_BYTES, follow_log

KIND = KINDS["ant-node"]
DAY, NEXT = "ant-node.2026-12-01.log", "ant-node.2026-12-02.log"


def line(second: int, message: str, level: str = "INFO", target: str = "ant_node::node") -> str:
    return f"2026-12-01T10:{second // 60:02}:{second % 60:02}.000000Z {level:>5} {target}: {message}\n"


def start(second: int, version: str = "0.22.0") -> str:
    return (
        line(second, f'ant-node starting version="{version}" commit="x"', target="ant_node")
        + line(second, "Bootstrap complete: connected to 3 peers, initiated 1 discovery requests")
        + line(second, "Replication engine started with 19 background tasks")
        + line(second, "Node running, waiting for shutdown signal")
    )


def node(folder: Path) -> Node:
    return row(1, kind="ant-node", log_dir=str(folder), root_dir=str(folder))


def follow(folder: Path, kept: KeptLog | None = None) -> KeptLog:
    found = follow_log(KIND, node(folder), kept)
    assert isinstance(found, KeptLog)
    return found


def test_what_was_told_before_is_kept_and_nothing_is_read_twice(tmp_path: Path) -> None:
    log = tmp_path / DAY
    log.write_text(start(0))
    first = follow(tmp_path)
    assert first.offset == log.stat().st_size
    with log.open("a") as file:
        file.write(
            line(60, "Saved 8 close group peers to cache in /n")
            + "2026-12-01T10:02:00.000000Z  INFO half a li"
        )
    second = follow(tmp_path, first)
    assert (second.health.ready_at, second.health.connected_peers) == (first.health.ready_at, 8)
    with log.open("a") as file:
        file.write("ne\n")
    third = follow(tmp_path, second)
    assert third.health.last_line_at is not None
    assert (third.health.last_line_at.minute, third.offset) == (2, log.stat().st_size)


def test_over_midnight_the_rest_of_the_day_before_comes_first(tmp_path: Path) -> None:
    (tmp_path / DAY).write_text(start(0))
    first = follow(tmp_path)
    with (tmp_path / DAY).open("a") as file:
        file.write(line(30, "disk on fire", "ERROR"))
    (tmp_path / NEXT).write_text(line(90, "Saved 9 close group peers to cache in /n"))
    os.utime(tmp_path / DAY, (1, 1))
    second = follow(tmp_path, first)
    assert (second.file_name, second.health.connected_peers) == (NEXT, 9)
    assert second.health.errors == ("disk on fire",)
    assert second.health.ready_at == first.health.ready_at


def test_a_file_that_is_another_one_is_read_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / DAY).write_text(start(0) + line(1, "x" * 5000))
    first = follow(tmp_path)
    (tmp_path / "new").write_text(start(120, "0.23.1") + line(121, "x" * 9000))
    (tmp_path / "new").replace(tmp_path / DAY)
    second = follow(tmp_path, first)
    assert second.health.version == "0.23.1"
    assert second.health.shown_before == tuple(Proof)


def test_of_too_much_the_start_and_the_end_count(tmp_path: Path) -> None:
    log = tmp_path / DAY
    log.write_text(start(0))
    first = follow(tmp_path)
    with log.open("a") as file:
        file.write(start(60, "0.23.1"))
        file.write(line(61, "x" * 400) * 2000)
        file.write(line(200, "Saved 12 close group peers to cache in /n"))
    second = follow(tmp_path, first)
    assert log.stat().st_size > 10 * LOG_TAIL_BYTES
    assert (second.health.version, second.health.connected_peers) == ("0.23.1", 12)
    assert second.health.ready_at is not None
    assert second.offset == log.stat().st_size


def test_one_line_without_an_end_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / DAY).write_text(start(0) + "x" * 3 * LOG_TAIL_BYTES)
    kept = follow(tmp_path)
    for _ in range(3):
        kept = follow(tmp_path, kept)
    with (tmp_path / DAY).open("a") as file:
        file.write("\n" + start(60, "0.23.1"))
    assert follow(tmp_path, kept).health.version == "0.23.1"


def test_without_a_log_there_is_nothing(tmp_path: Path) -> None:
    assert follow_log(KIND, node(tmp_path), None) is None
    assert follow_log(KIND, node(tmp_path / "missing"), None) is None


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(start(0))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / DAY).symlink_to(tmp_path / "secret")
    assert follow_log(KIND, node(tmp_path / "logs"), None) is None
    (tmp_path / "link").symlink_to(tmp_path / "logs")
    assert isinstance(follow_log(KIND, node(tmp_path / "link"), None), Unseen)


def shown(kept: KeptLog, *, is_current: bool = True) -> list[bool | None]:
    return [each.shown for each in evidence(KIND.signs, kept.health, is_current=is_current)]


def test_what_the_former_process_showed_is_missed_in_the_new_one(tmp_path: Path) -> None:
    log = tmp_path / DAY
    log.write_text(start(0))
    kept = follow(tmp_path)
    assert shown(kept) == [True, True, True]
    # Its process was started again, and has not written anything yet.
    assert shown(kept, is_current=False) == [False, False, False]
    with log.open("a") as file:
        file.write(line(60, 'ant-node starting version="0.23.1"', target="ant_node"))
    kept = follow(tmp_path, kept)
    assert shown(kept) == [False, False, False]
    with log.open("a") as file:
        file.write(line(61, "Node running, waiting for shutdown signal"))
        file.write(line(61, "Failed to initialize replication engine: no disk", "WARN"))
    assert shown(follow(tmp_path, kept)) == [True, False, False]


def test_what_no_process_showed_is_unknown(tmp_path: Path) -> None:
    (tmp_path / DAY).write_text(line(0, 'ant-node starting version="0.17.2"', target="ant_node"))
    assert shown(follow(tmp_path)) == [None, None, None]
    assert [each.shown for each in evidence(KIND.signs, None, is_current=False)] == [None, None, None]


def test_a_log_that_was_met_late_tells_the_start_by_its_summaries(tmp_path: Path) -> None:
    summary = "replication traffic summary (cumulative) group=2 fetch_response_rx_count=4"
    (tmp_path / DAY).write_text(line(300, summary, target="ant_node::replication::traffic"))
    kept = follow(tmp_path)
    assert shown(kept) == [True, None, True]
    assert kept.health.counters == (("replications", 4),)
