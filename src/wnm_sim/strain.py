"""The load that a misbehaving node puts on its machine: CPU, memory and disk."""

import time

from wnm_sim.folder import NodeFolder
from wnm_sim.misbehave import Behaviour

_MOST_BYTES_AT_ONCE = 64 * 1024 * 1024


class Strain:
    """Applies the ordered load, a slice at a time."""

    def __init__(self, folder: NodeFolder) -> None:
        self._folder = folder
        self._held = b""

    def apply(self, ordered: Behaviour, slice_seconds: float) -> None:
        """Load the machine for one slice of time. Raises OSError when the disk is full."""
        if len(self._held) != ordered.use_memory_bytes:
            self._held = b""  # freed before the new block is made
            self._held = b"\1" * ordered.use_memory_bytes  # written to, so really in memory
        wanted = int(ordered.fill_disk_bytes_per_second * slice_seconds)
        if wanted:
            self._folder.fill(min(wanted, _MOST_BYTES_AT_ONCE))
        _burn(slice_seconds * min(ordered.use_cpu_percent, 100) / 100)


def _burn(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
