"""Install the real node programs that tests/real runs, from the Rust registry, into a cache outside of the tree.

Prints one line a program: NAME VERSION PATH. tests/real/programs.toml pins the versions. The release profile is eased
(the tests need programs that behave, not fast ones), and all share one target folder, so that what they have in common
is compiled once. A second run finds the programs and takes no time; of two runs at once the second waits for the first.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PINNED = Path(__file__).resolve().parents[1] / "tests" / "real" / "programs.toml"

EASED = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_TERM_PROGRESS_WHEN": "auto",
}
"""What makes the compiler quick: the published profile takes several times as long."""


class Program(NamedTuple):
    """A node program at one version, and where the cache has it."""

    name: str
    crate: str
    version: str
    always: bool
    path: Path


def cache_folder() -> Path:
    """Where the programs are kept: beside other caches of this account, or where WNM_REAL_PROGRAMS says."""
    named = os.environ.get("WNM_REAL_PROGRAMS")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wnm-real"


def pinned(everything: bool) -> list[Program]:
    """The programs of programs.toml: all of them, or those that are always needed."""
    rows = tomllib.loads(PINNED.read_text(encoding="utf-8"))["program"]
    programs = [
        Program(
            row["name"],
            row.get("crate", row["name"]),
            row["version"],
            row.get("always", False),
            cache_folder() / f"{row['name']}-{row['version']}" / "bin" / row["name"],
        )
        for row in rows
    ]
    return [program for program in programs if everything or program.always]


@contextmanager
def alone() -> Iterator[None]:
    """One installation at a time; the kernel lets go of the lock with any end of its holder."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run installs the node programs: waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(program: Program) -> None:
    """Compile the program; it appears under its final name only when it is whole.

    Raises:
        subprocess.CalledProcessError: cargo failed; its own words are on stderr.
    """
    final = program.path.parents[1]
    unfinished = final.with_name(final.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    began = time.monotonic()
    print(f"compiling {program.name} {program.version}: minutes, the first time", file=sys.stderr)
    argv = [
        "cargo",
        "install",
        program.crate,
        "--version",
        program.version,
        "--locked",
        "--bin",
        program.name,
    ]
    subprocess.run(
        [*argv, "--root", str(unfinished), "--no-track", "--target-dir", str(cache_folder() / "target")],
        env={**os.environ, **EASED},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=True,
    )
    shutil.rmtree(final, ignore_errors=True)
    unfinished.rename(final)
    print(f"{program.name} {program.version}: {time.monotonic() - began:.0f} s", file=sys.stderr)


def main() -> int:
    """Install what is missing and say where everything is; status 1 without cargo, or when it fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="also those that only `make real ALL=1` needs")
    parser.add_argument("--list", action="store_true", help="install nothing: name those that are there")
    options = parser.parse_args()
    programs = pinned(options.all)
    missing = [program for program in programs if not program.path.is_file()]
    if missing and not options.list:
        if shutil.which("cargo") is None:
            print("cargo is not installed: https://rustup.rs, or apt-get install cargo", file=sys.stderr)
            return 1
        with alone():
            for program in missing:
                if not program.path.is_file():
                    try:
                        install(program)
                    except subprocess.CalledProcessError as error:
                        print(f"{program.name} {program.version}: {error}", file=sys.stderr)
                        return 1
    for program in programs:
        if program.path.is_file():
            print(program.name, program.version, program.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
