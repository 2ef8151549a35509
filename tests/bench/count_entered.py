"""Counts the files and functions of ours that one whole cycle enters, and how deep it calls.

`python -m tests.bench.count_entered [--list]` sets a machine up in a folder of its own with four simulated nodes under
setsid, which run, lets one `wnm --node_cap 3` stop one of them, and prints the figures of that cycle; with --list all
functions by file. It measures from outside: the program is the installed one, under a profile function.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.cli.operator import Operator

MOST_FILES, MOST_FUNCTIONS, MOST_FRAMES = 60, 350, 25
# Runs a program with a profile function in every thread; what runs on import alone is not entered.
WATCHED = """
import atexit, json, os, sys, threading
entered, deepest, ours = set(), [0, []], sys.argv[2]
def watch(frame, event, argument):
    if event != "call":
        return
    code = frame.f_code
    # Bodies of modules and classes are no functions, nor are the scopes of type parameters.
    if not code.co_flags & 1 or code.co_name.startswith("<generic") or not code.co_filename.startswith(ours):
        return
    entered.add((code.co_filename[len(ours):], code.co_qualname))
    names, at = [], frame
    while at is not None:
        if at.f_code.co_filename.startswith(ours):
            names.append(at.f_code.co_qualname)
        at = at.f_back
    if len(names) > deepest[0]:
        deepest[:] = [len(names), names[::-1]]
told = sys.argv[1]
leave = os._exit
def leaving(code):
    sys.setprofile(None)
    with open(told, "w") as file:
        json.dump({"entered": sorted(entered), "frames": deepest}, file)
    leave(code)
os._exit = leaving
sys.argv = ["wnm", *sys.argv[3:]]
from wnm.cli.main import run
threading.setprofile(watch)
sys.setprofile(watch)
run()
"""


def measure(folder: Path) -> dict[str, list[list[str]]]:
    """What one cycle that stops a node enters: `entered` as file and function, `frames` as depth and names."""
    import wnm

    ours = f"{Path(wnm.__file__).parent.parent}/"
    operator = Operator(home=folder / "home")
    told = folder / "told.json"
    try:
        operator.settle_in()
        operator.bring_up(4)
        command = operator.command("--node_cap", 3)
        script = [sys.executable, "-c", WATCHED, str(told), ours, *map(str, command[1:])]
        done = subprocess.run(
            script, env=operator.environment(), cwd=operator.home, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, list[list[str]]] = json.loads(told.read_text(encoding="utf-8"))
        return found
    finally:
        operator.end()


def main() -> None:
    """Print the figures, and with --list what they are made of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="every function by file")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    by_file: dict[str, list[str]] = defaultdict(list)
    for file, function in found["entered"]:
        by_file[file].append(function)
    if asked.list:
        for file, functions in sorted(by_file.items(), key=lambda item: -len(item[1])):
            print(f"{len(functions):4} {file}: {', '.join(functions)}")
    depth, names = found["frames"]
    inner = sum(function.endswith(">") for _, function in found["entered"])
    print(f"files      {len(by_file):4} of at most {MOST_FILES}")
    print(
        f"functions  {len(found['entered']):4} of at most {MOST_FUNCTIONS}, {inner} of them lambdas and generators"
    )
    print(f"frames     {depth:4} of at most {MOST_FRAMES}: {' > '.join(names)}")


if __name__ == "__main__":
    main()
