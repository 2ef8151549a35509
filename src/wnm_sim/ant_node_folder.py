"""The root directory of ant-node: a key and a sparse database file in which pages are really written."""

import os
from pathlib import Path

from wnm_sim.folder import FIRST_RECORDS, NodeFolder
from wnm_sim.vitals import NEWBORN, History

PAGE_BYTES = 4096
MAP_BYTES = 64 * 1024 * 1024
_PAGES_A_RECORD = 4
_MOST_RECORDS = 256
_META_PAGES = 2
_MAGIC = b"simulated LMDB\n"


class AntNodeFolder(NodeFolder):
    """The folder of one ant-node. It writes no pid file and remembers nothing but its records.

    `chunks.mdb/data.mdb` is as long as its map from the start, as with LMDB, and takes up only what was stored.
    The first page says how many records there are, so it changes with every one.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._data = root / "chunks.mdb" / "data.mdb"

    def prepare(self, *, grows: bool = True) -> None:
        """Make the database, or read how many records earlier processes stored."""
        self._data.parent.mkdir(exist_ok=True)
        (self._data.parent / "lock.mdb").touch()
        with self._data.open("ab+") as file:
            file.seek(0)
            head = file.read(PAGE_BYTES)
            if len(head) < PAGE_BYTES:
                file.truncate(MAP_BYTES)
            digits = head.removeprefix(_MAGIC).rstrip(b"\0")
            self.records = int(digits) if head.startswith(_MAGIC) and digits.isdigit() else 0
        if grows:
            self.grow_to(FIRST_RECORDS)

    def grow_to(self, records: int) -> list[str]:
        """Store more records until there are so many, or as many as a simulation needs; returns the new ones."""
        stored: list[str] = []
        wanted = min(records, _MOST_RECORDS)
        if self.records >= wanted:
            return stored
        handle = os.open(self._data, os.O_WRONLY)
        try:
            while self.records < wanted:
                place = (_META_PAGES + self.records * _PAGES_A_RECORD) * PAGE_BYTES
                os.pwrite(handle, os.urandom(_PAGES_A_RECORD * PAGE_BYTES), place)
                self.records += 1
                stored.append(os.urandom(32).hex())
            os.pwrite(handle, _MAGIC + str(self.records).encode().ljust(PAGE_BYTES - len(_MAGIC), b"\0"), 0)
        finally:
            os.close(handle)
        return stored

    def fill(self, length_bytes: int) -> None:
        """Use up this much more disk. Raises OSError when the disk is full."""
        with self._data.open("ab") as file:
            file.write(b"\1" * length_bytes)

    def write_pid(self) -> None:
        """This program writes no pid file."""

    def remove_pid(self) -> None:
        """There is none."""

    def read_history(self) -> History:
        """Nothing is remembered."""
        return NEWBORN

    def write_history(self, history: History) -> None:
        """Nothing is remembered."""
