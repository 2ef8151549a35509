"""Runs `wnm` in forks of one process that has imported all of it: from argv to the exit code, without the imports.

Most of what a refused command or a report costs is importing. Each run is a process of its own with its own
environment, folder and output, and ends as the installed program does. What it costs to start, which modules it loads
and how it takes signals is tested with the program itself (`Operator.run`).
"""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

LEFT_OUT = ("wnm.__main__", "wnm.tui", "wnm.storage.migrations")


class Forks:
    """The process that forks, started at the first run; `environment` is what it is started with."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def run(self, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str, str]:
        """Exit code (negative for a signal), stdout and stderr of `wnm` with these words."""
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-P", __file__],  # -P: the folder of this file holds an operator.py
                env={name: environment[name] for name in ("PATH", "HOME")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd="/",
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with tempfile.TemporaryDirectory() as scratch:
            out, err = Path(scratch, "out"), Path(scratch, "err")
            wanted = [list(words), dict(environment), str(folder), str(out), str(err)]
            self._server.stdin.write(json.dumps(wanted) + "\n")
            self._server.stdin.flush()
            code = int(self._server.stdout.readline())
            return code, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace")

    def end(self) -> None:
        """End the process that forks."""
        if self._server is not None:
            self._server.communicate("", timeout=60)
            self._server = None


def serve() -> None:
    """Fork for each line on stdin, and answer with an exit code on stdout."""
    import wnm

    for module in pkgutil.walk_packages(wnm.__path__, "wnm."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be_wnm(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _be_wnm(words: list[str], environment: dict[str, str], folder: str, out: str, err: str) -> NoReturn:
    from wnm.cli.main import run

    os.setsid()
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT),
        (2, err, os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    try:
        run()
    finally:
        traceback.print_exc()  # it ends the process itself
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    serve()
