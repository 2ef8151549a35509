"""Readings of the machine: rates since the last cycle, and the file systems that hold node data."""

import os
from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from wnm.core.contracts import Clock
from wnm.core.observation import FileSystem, MachineReading, Storage, Unseen
from wnm.core.rates import Counters, rates
from wnm.sensors import host

DISK_PATIENCE_SECONDS = 2.0
UNREMARKABLE = frozenset({"lost+found"})


class StorageSeen(Struct, frozen=True, kw_only=True):
    """A storage folder, the names in it, and the file system under it."""

    storage: Storage
    names: frozenset[str]
    file_system: FileSystem | Unseen


def read_machine(before: Counters | None, storages: Sequence[StorageSeen], clock: Clock) -> MachineReading:
    """The machine now, its rates since `before`: the counters at the end of the last cycle.

    Only when those cannot be compared with the present ones (none are stored, or the machine was restarted) a
    short sample is taken, which takes a quarter of a second.
    """
    after = host.read_counters(clock)
    own_cpu_seconds = host.own_cpu_seconds()
    if before is None or before.boot_id != after.boot_id:
        before, after = host.short_sample(clock)
        own_cpu_seconds = 0.0
    rate = rates(before, after, own_cpu_seconds=own_cpu_seconds)
    memory = host.read_memory()
    systems = {
        each.file_system.mount_point: each.file_system
        for each in storages
        if isinstance(each.file_system, FileSystem)
    }
    return MachineReading(
        boot_id=after.boot_id,
        usable_cores=host.usable_cores(),
        window_seconds=rate.window_seconds,
        cpu_percent=rate.cpu_percent,
        memory_percent=memory.percent if not isinstance(memory, Unseen) else memory,
        memory_total_bytes=memory.total_bytes if not isinstance(memory, Unseen) else 0,
        load=host.read_load(),
        netio_read_bytes_per_second=rate.netio_read_bytes_per_second,
        netio_write_bytes_per_second=rate.netio_write_bytes_per_second,
        hdio_read_bytes_per_second=rate.hdio_read_bytes_per_second,
        hdio_write_bytes_per_second=rate.hdio_write_bytes_per_second,
        file_systems=tuple(systems.values()),
    )


def read_storages(paths: Sequence[str]) -> tuple[StorageSeen, ...]:
    """Look at every storage folder; a disk that does not answer costs its patience and is Unseen."""
    return tuple(_read_storage(path) for path in paths)


def _read_storage(path: str) -> StorageSeen:
    names = host.read_with_timeout(partial(_list, path), DISK_PATIENCE_SECONDS, what=path)
    if isinstance(names, Unseen):
        return StorageSeen(
            storage=Storage(path=path, present=names, empty=False, mount_point=None),
            names=frozenset(),
            file_system=names,
        )
    file_system = host.read_with_timeout(partial(host.file_system_of, path), DISK_PATIENCE_SECONDS, what=path)
    mount_point = None if isinstance(file_system, Unseen) else file_system.mount_point
    storage = Storage(
        path=path,
        present=names is not None,
        empty=not (names or frozenset()) - UNREMARKABLE,
        mount_point=mount_point,
    )
    return StorageSeen(storage=storage, names=names or frozenset(), file_system=file_system)


def _list(path: str) -> frozenset[str] | Unseen | None:
    """The names in a folder; None if there is no such folder."""
    try:
        with os.scandir(path) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Unseen(reason=f"{path}: {error.strerror}")
