"""Starts a unit like a cycle would, under a lock, and then waits for its end; run as a process of its own.

Arguments: the lock file, a terminal to live in (or nothing), and the unit, pickled, in hexadecimal digits.
"""

import fcntl
import os
import pickle
import signal
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

from wnm.process_managers.setsid import SetsidDriver
from wnm.system.clock import SystemClock
from wnm.system.lock import only_one

DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def main() -> None:
    """Be as bad a parent as possible: a terminal, open files to inherit, signals ignored and blocked."""
    lock, terminal, pickled = sys.argv[1:]
    if terminal:
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
    for number in DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, DEAF_TO)
    with only_one(lock):
        for descriptor in [int(each.name) for each in Path("/dev/fd").iterdir()]:
            with suppress(OSError):  # the listing itself was open too
                os.set_inheritable(descriptor, True)
        SetsidDriver(SystemClock()).start(pickle.loads(bytes.fromhex(pickled)))
        print("started", flush=True)
        time.sleep(60)


if __name__ == "__main__":
    main()
