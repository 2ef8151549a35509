"""End every process whose --root-dir lies inside a folder: what a sandbox leaves when wnm cannot stop it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_SECONDS = 10.0
KILL_SECONDS = 5.0
POLL_SECONDS = 0.05
FLAG = "--root-dir"


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty for one that is gone, a zombie, or not ours to read."""
    if Path("/proc/self/cmdline").exists():
        try:
            text = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [os.fsdecode(part) for part in text.split(b"\0")]
    listing = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    # ps does not quote, so a path with a space would come apart: all that follows the flag is taken as it.
    before, flag, after = listing.stdout.strip().partition(f" {FLAG} ")
    return [before, FLAG, after] if flag else listing.stdout.split()


def process_ids() -> Iterator[int]:
    """The ids of all processes."""
    if Path("/proc/self/cmdline").exists():
        yield from (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
        return
    listing = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True)
    yield from map(int, listing.stdout.split())


def root_dir(arguments: list[str]) -> str | None:
    """The value of --root-dir among the arguments of a process."""
    for position, argument in enumerate(arguments):
        if argument == FLAG and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith(f"{FLAG}="):
            return argument.removeprefix(f"{FLAG}=")
    return None


def is_inside(pid: int, folder: Path) -> bool:
    """Whether the process has its root directory strictly below a folder (absolute, resolved)."""
    found = root_dir(command_line(pid))
    if found is None or not Path(found).is_absolute():
        return False
    return folder in Path(os.path.realpath(found)).parents


def end(folder: Path, with_signal: signal.Signals, seconds: float) -> list[int]:
    """Signal all processes inside and wait; returns those that are still there after so many seconds."""
    deadline = time.monotonic() + seconds
    signalled: set[int] = set()
    while remaining := [pid for pid in process_ids() if is_inside(pid, folder)]:
        for pid in remaining:
            if pid in signalled:
                continue
            signalled.add(pid)
            try:
                os.kill(pid, with_signal)
            except ProcessLookupError:
                continue
            except PermissionError:
                sys.exit(f"process {pid} belongs to another user: stop the sandbox as that user")
        if time.monotonic() > deadline:
            return remaining
        time.sleep(POLL_SECONDS)
    return []


def main(arguments: list[str]) -> int:
    """End what runs inside the folder given; returns the exit status (1: something outlived even KILL)."""
    folder = Path(os.path.realpath(arguments[0]))
    if not end(folder, signal.SIGTERM, GRACE_SECONDS):
        return 0
    survivors = end(folder, signal.SIGKILL, KILL_SECONDS)
    for pid in survivors:
        print(f"process {pid} could not be ended: {' '.join(command_line(pid))}", file=sys.stderr)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
