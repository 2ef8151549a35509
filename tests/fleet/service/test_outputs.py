"""The output of attempts that are over, in real files."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from wnm.core.errors import Transient
from wnm_fleet.engine.contract import LogLine, Stream
from wnm_fleet.service.outputs import Outputs

LINES = [
    LogLine(
        at=datetime(2026, 12, 1, 12, 0, second, tzinfo=UTC), stream=Stream.OUT, text=f"line {second} " * 50
    )
    for second in range(60)
]


def test_what_was_kept_is_read_back_and_what_was_not_is_empty(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.keep("wnm-a-1", LINES)
    assert list(outputs.lines("wnm-a-1")) == LINES
    assert list(outputs.lines("wnm-b-1")) == []


def test_a_damaged_file_is_said_and_not_taken_for_the_end(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.keep("wnm-a-1", LINES)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(Transient, match="the rest of what was kept of wnm-a-1 cannot be read"):
        list(outputs.lines("wnm-a-1"))
