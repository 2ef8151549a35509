"""Keeps the output of attempts that are over: a file each, until it is the turn of the oldest to go."""

import gzip
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from wnm.core.codec import from_json, to_json
from wnm.core.errors import BadInput, Transient
from wnm_fleet.engine.contract import LogLine

MOST_BYTES = 256 << 20
"""For all files together, compressed."""


class Outputs:
    """The folder with the output of attempts, by their name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, name: str, lines: Iterable[LogLine]) -> None:
        """Return when the lines are kept whole, in the place of what was kept before. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._file(name).with_suffix(".new")
        with gzip.open(new, "wt", encoding="utf-8", compresslevel=3) as file:
            for line in lines:
                file.write(to_json(line) + "\n")
        with new.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(new, self._file(name))  # noqa: PTH105
        self._trim()

    def lines(self, name: str) -> Iterator[LogLine]:
        """Yield what was kept of an attempt; nothing if there is nothing. Transient where the rest cannot be read."""
        try:
            with gzip.open(self._file(name), "rt", encoding="utf-8") as file:
                for line in file:
                    yield from_json(LogLine, line)
        except FileNotFoundError:
            return
        except (OSError, EOFError, BadInput, UnicodeError) as error:
            raise Transient(f"the rest of what was kept of {name} cannot be read: {error}") from None

    def _trim(self) -> None:
        files = sorted(self._folder.glob("*.gz"), key=lambda file: file.stat().st_mtime, reverse=True)
        total = 0
        for number, file in enumerate(files):
            total += file.stat().st_size
            if total > MOST_BYTES and number > 0:
                file.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl.gz"
