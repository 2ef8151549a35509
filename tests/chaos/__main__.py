"""`make chaos`: plays episodes side by side until enough faults were injected, and records what came of them."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos import results
from tests.chaos.sandbox import CHECKOUT, compile_library

FAULTS_OF_AN_EPISODE = 25
LONGEST_SECONDS = 2 * 3600
PATIENCE_SECONDS = 1200
SIDE_BY_SIDE = 2
# Everything that ends in the namespace of processes is reaped by its first process, as by a real init.
INIT = ("bash", "-c", '"$@" & wait $!', "bash")


def namespaces() -> tuple[str, ...]:
    """The words before a program that gives it disks, processes and a network of its own; all ends with it."""
    root = () if os.geteuid() == 0 else ("--map-root-user",)
    # Whatever ends the harness, nothing of an episode outlives it.
    first = ("setpriv", "--pdeathsig", "KILL", "unshare")
    return (*first, *root, "--mount", "--pid", "--fork", "--net", "--mount-proc", "--kill-child", *INIT)


def lacking() -> str | None:
    """What this machine lacks for it; None if nothing."""
    for tool, package in (("cc", "gcc"), ("unshare", "util-linux"), ("ip", "iproute2"), ("bash", "bash")):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (apt-get install {package})"
    ran = subprocess.run([*namespaces(), "true"], capture_output=True, text=True, check=False)
    return None if ran.returncode == 0 else f"namespaces cannot be made here: {ran.stderr.strip()[-200:]}"


def play(name: str, library: Path, count: int, only: str = "", *, shown: bool = False) -> dict[str, object]:
    """Play one episode in namespaces of its own; returns what it prints at its end."""
    # Always as long a path: lengths of paths are part of what is repeated.
    home = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    words = [
        *namespaces(),
        "nice",
        sys.executable,
        "-m",
        "tests.chaos.episode",
        str(home),
        str(library),
        name,
    ]
    words += [str(count), only, *(["-v"] if shown else [])]
    try:
        ran = subprocess.run(
            words,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        lines = ran.stdout.splitlines()
        if shown:
            print(*lines[:-1], sep="\n")
        played: dict[str, object] = json.loads(lines[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError) as problem:
        return {"episode": name, "seconds": 0, "faults": [], "findings": [], "error": f"{problem!r:.500}"}
    finally:
        home.rmdir()
    return played


def run_faults(run: results.Run, library: Path, asked: argparse.Namespace) -> None:
    """Play episodes from `run.first` on until enough faults were injected, or the time is over."""
    known, started = results.known_failures(), time.monotonic()
    # Where nothing can be injected at all, that must come to an end too.
    last = run.first - 1 + (asked.episodes or max(asked.faults, SIDE_BY_SIDE))
    waiting: set[Future[dict[str, object]]] = set()

    def goes_on() -> bool:
        expected = run.count + len(waiting) * FAULTS_OF_AN_EPISODE // 2
        in_time = time.monotonic() - started < asked.seconds
        return bool(len(waiting) < asked.workers and expected < asked.faults and run.last < last and in_time)

    with ThreadPoolExecutor(asked.workers) as pool:
        while True:
            while goes_on():
                run.last += 1
                name = f"{run.seed}-{run.last}"
                waiting.add(pool.submit(play, name, library, FAULTS_OF_AN_EPISODE, asked.only))
            if not waiting:
                break
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for each in done:
                _tell(run, each.result(), results.note(run, each.result(), known))
    run.seconds = round(time.monotonic() - started, 1)


def _tell(run: results.Run, played: dict[str, object], failures: Sequence[results.Failure]) -> None:
    what = "known failure" if played["findings"] else "all borne"
    if failures or played["error"]:
        what = "FAILED"
    count = len(played["faults"])  # type: ignore[arg-type]
    print(
        f"{played['episode']}: {count} faults in {played['seconds']} s, {what}; {run.count} so far",
        flush=True,
    )
    for each in failures:
        print(f"  after {each.after} ({each.detail[:300]})\n  FOUND {each.kind}: {each.text[:600]}")
        print(f"  again: make chaos REPLAY={each.episode}", flush=True)
    if played["error"]:
        print(f"  the harness failed: {played['error']}", flush=True)


def commit() -> str:
    """The commit of the checkout, with `+` when wnm itself was changed since."""
    ran = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--exclude=*"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "src"], cwd=CHECKOUT, check=False)
    return (ran.stdout.strip() or "unknown") + ("+" if changed.returncode else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when no failure was found but known ones, 3 where it cannot run."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="how many to inject")
    parser.add_argument("--seed", type=int, default=1, help="decides all that happens")
    parser.add_argument("--workers", type=int, default=SIDE_BY_SIDE, help="sandboxes side by side")
    parser.add_argument("--seconds", type=float, default=LONGEST_SECONDS, help="begin nothing after so long")
    parser.add_argument("--episodes", type=int, help="play so many at most")
    parser.add_argument("--first", type=int, help="the first episode; without it the first not yet played")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="where the run is recorded")
    parser.add_argument("--no-record", action="store_true", help="record nothing")
    parser.add_argument("--replay", metavar="SEED-EPISODE", help="play one episode again, step by step")
    parser.add_argument("--only", default="", help="only kinds with this in their names; nothing is recorded")
    asked = parser.parse_args(arguments)
    missing = lacking()
    if missing:
        print(f"make chaos: {missing}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="chaos-library-") as folder:
        library = compile_library(Path(folder))
        if asked.replay:
            played = play(asked.replay, library, FAULTS_OF_AN_EPISODE, asked.only, shown=True)
            print(json.dumps(played["findings"], indent=2), played["error"])
            return 1 if played["findings"] or played["error"] else 0
        first = asked.first or results.next_episode(asked.seed, results.read_runs(asked.results))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        run = results.Run(seed=asked.seed, first=first, last=first - 1, commit=commit(), started_at=now)
        print(f"seed {run.seed}, from episode {first} on, commit {run.commit}", flush=True)
        run_faults(run, library, asked)
    if not asked.no_record and not asked.only:
        results.append(run, asked.results)
    print(
        f"{run.count} faults, {run.missed} missed, {len(run.failures)} failures, {len(run.known)} known failures"
    )
    return 1 if run.failures or run.errors else 0


if __name__ == "__main__":
    sys.exit(main())
