"""What this process uses of the machine, as a node reports it."""

import os
import resource
import sys
import time
from pathlib import Path


def memory_megabytes() -> float:
    """Memory in use now where Linux tells it, else the most this process ever used."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        used_bytes = pages * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used_bytes = most if sys.platform == "darwin" else most * 1024
    return round(used_bytes / 1_000_000, 4)


def cpu_percent(uptime_seconds: float) -> float:
    """CPU since the start, 0 to 100 of all cores."""
    cores = os.cpu_count() or 1
    share = time.process_time() / max(uptime_seconds, 0.001) / cores
    return round(min(share, 1.0) * 100, 4)
