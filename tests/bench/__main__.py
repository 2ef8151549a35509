"""Measures whole runs of the installed `wnm` and prints a table; nothing is asserted.

Each figure is the median of several runs. One process stands for all nodes of a machine: it serves their pages and
carries all their `--root-dir` arguments, so a survey finds every node running.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.machine import METRICS_START, build

WNM = str(Path(sys.executable).with_name("wnm"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Medians over the runs of one case."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="runs for each figure")
    asked = parser.parse_args(argv)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, median of {asked.runs} runs\n")
    print("| case | wall s | CPU s | peak MB | wall, relative to an empty interpreter |")
    print("| --- | ---: | ---: | ---: | ---: |")
    bare = measure([sys.executable, "-c", "pass"], asked.runs)
    show("an empty interpreter", bare, bare)
    show("wnm --version", measure([WNM, "--version"], asked.runs), bare)
    idle: dict[int, Cost] = {}
    for count in (0, 10, 50, 200, 2000):
        with machine(count) as options:
            idle[count] = measure([WNM, *options], asked.runs)
        show(f"idle cycle, {count} nodes", idle[count], bare)
    for mode in ("hang", "drip"):
        with machine(200, misbehave=mode, bad=4) as options:
            show(
                f"idle cycle, 200 nodes, 4 of them {mode}", measure([WNM, *options], min(asked.runs, 5)), bare
            )
    slope = (idle[200].cpu_seconds - idle[10].cpu_seconds) / 190 * 1000
    print(f"\nCPU for one more node: {slope:.2f} ms")
    return 0


def measure(command: Sequence[str], runs: int) -> Cost:
    """Run a command so often, after one run that warms the caches up."""
    samples = [_run_once(command) for _ in range(runs + 1)][1:]
    return Cost(
        wall_seconds=statistics.median(each.wall_seconds for each in samples),
        cpu_seconds=statistics.median(each.cpu_seconds for each in samples),
        peak_megabytes=statistics.median(each.peak_megabytes for each in samples),
    )


def _run_once(command: Sequence[str]) -> Cost:
    started = time.perf_counter()
    pid = os.posix_spawn(
        command[0],
        list(command),
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)],
    )
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return _cost(wall, used)


def _cost(wall: float, used: resource.struct_rusage) -> Cost:
    return Cost(
        wall_seconds=wall, cpu_seconds=used.ru_utime + used.ru_stime, peak_megabytes=used.ru_maxrss / 1024
    )


def show(case: str, cost: Cost, bare: Cost) -> None:
    """One row of the table."""
    ratio = cost.wall_seconds / bare.wall_seconds
    print(
        f"| {case} | {cost.wall_seconds:.2f} | {cost.cpu_seconds:.2f} | {cost.peak_megabytes:.0f} | {ratio:.0f} × |",
        flush=True,
    )


@contextmanager
def machine(count: int, *, misbehave: str = "", bad: int = 0) -> Iterator[list[str]]:
    """A machine with so many running nodes; yields the options that make wnm manage it."""
    with tempfile.TemporaryDirectory(prefix="wnm-bench-") as folder:
        options, root_dirs = build(Path(folder), count)
        if not count:
            yield options
            return
        first, last = METRICS_START * 1000 + 1, METRICS_START * 1000 + count
        words = [sys.executable, "-m", "wnm_sim.many", "--metrics-ports", f"{first}-{last}"]
        words += [
            word for port in range(first, first + bad) for word in ("--misbehave", f"{port}={misbehave}")
        ]
        words += [word for root_dir in root_dirs for word in ("--root-dir", root_dir)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                server.stdout.readline()
                yield options
            finally:
                server.terminate()


if __name__ == "__main__":
    raise SystemExit(main())
