"""The files that a node keeps in its root directory besides the key: pid, records, history."""

import json
import os
from pathlib import Path

from wnm_sim.vitals import NEWBORN, History

FIRST_RECORDS = 4
_MOST_RECORDS = 24
_RECORD_BYTES = 160
_FILLER = "filler"


class NodeFolder:
    """The root directory of one node; a few kilobytes unless it is told to fill the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pid_file = root / "antnode.pid"
        self._history_file = root / "historic_quoting_metrics"
        self._store = root / "record_store"
        self.records = 0

    def prepare(self, *, grows: bool = True) -> None:
        """Make the record store and its first records; count those of earlier starts."""
        self._store.mkdir(exist_ok=True)
        self.records = sum(1 for record in self._store.iterdir() if record.name != _FILLER)
        if grows:
            self.grow_to(FIRST_RECORDS)

    def grow_to(self, records: int) -> list[str]:
        """Store more records until there are so many, or as many as a simulation needs; returns the new ones."""
        stored: list[str] = []
        while self.records < min(records, _MOST_RECORDS):
            stored.append(os.urandom(32).hex())
            (self._store / stored[-1]).write_bytes(os.urandom(_RECORD_BYTES))
            self.records += 1
        return stored

    def fill(self, length_bytes: int) -> None:
        """Use up this much more disk. Raises OSError when the disk is full."""
        with (self._store / _FILLER).open("ab") as file:
            file.write(b"\1" * length_bytes)

    def write_pid(self) -> None:
        """Say which process this node is."""
        self._pid_file.write_text(f"{os.getpid()}\n", "ascii")

    def remove_pid(self) -> None:
        """Take the pid file away, unless it already names another process."""
        try:
            ours = self._pid_file.read_text("ascii").strip() == str(os.getpid())
        except OSError:
            return
        if ours:
            self._pid_file.unlink()

    def read_history(self) -> History:
        """What earlier processes left; a missing or damaged file means a new node."""
        try:
            payments, lived_seconds = json.loads(self._history_file.read_text("utf-8"))
            return History(payments=int(payments), lived_seconds=int(lived_seconds))
        except (OSError, ValueError, TypeError):
            return NEWBORN

    def write_history(self, history: History) -> None:
        """Leave payments and age to the next process."""
        self._history_file.write_text(json.dumps([history.payments, history.lived_seconds]), "utf-8")
