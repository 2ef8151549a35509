"""Writes a simulated node program of any version: one executable file that needs only Python."""

import argparse
import importlib.util
import marshal
import shlex
import sys
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from wnm_sim.misbehave import parse_behaviour
from wnm_sim.programs import KINDS

_MODULES = ("command_line", "misbehave", "node", "page_server", "pages", "programs")
"""Every module that a running node imports."""
# The shell answers --version by itself, in a few milliseconds; for everything else it becomes
# Python, which runs the zip archive that follows. -I and -S keep the start short and the
# program independent of the working directory, PYTHONPATH and installed packages.
_LAUNCHER = """\
#!/bin/sh
# A simulated node, written by wnm_sim.make_program.
for word do
  if [ "$word" = --version ]; then
    {answer}
  fi
done
exec {python} -I -S "$0" "$@"
exit 127
"""
_MAIN = """\
import sys
from pathlib import Path
from wnm_sim.misbehave import Behaviour
from wnm_sim.node import run
program = Path(sys.argv[0]).absolute()
sys.exit(run(sys.argv[1:], kind={kind!r}, version={version!r}, program=program, built_in={built_in!r}))
"""
_ANSWERS = {
    "": "printf '%s\\n' {text}; exit 0",
    "hang": "exec sleep 3600",
    "exit": "echo 'no version today' >&2; exit 1",
}


def write_program(
    path: Path, version: str, python: str = sys.executable, *, kind: str = "antnode", misbehave: str = ""
) -> None:
    """Write an executable node program of this version to `path`, replacing a file there.

    `version` is like `0.4.17`, `0.4.18-rc.1` or `nightly-2026.02.23`; `python` is the
    interpreter that runs it; `kind` is one of KINDS. `misbehave` is a JSON object as in
    `misbehave.json`: what such a program does wrong when nobody orders it otherwise. A running
    copy of an older file is not disturbed: the new file takes its name by a rename. Raises
    OSError when `path` cannot be written, ValueError for an order that means nothing.
    """
    built_in, unknown = parse_behaviour(misbehave or "{}")
    if unknown:
        raise ValueError(f"unknown orders: {', '.join(unknown)}")
    answer = _ANSWERS[built_in.refuse_version].format(text=shlex.quote(KINDS[kind].version_text(version)))
    main = _MAIN.format(kind=kind, version=version, built_in=built_in)
    launcher = _LAUNCHER.format(answer=answer, python=shlex.quote(python))
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(launcher.encode() + _archive(main))
    unfinished.chmod(0o755)
    unfinished.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: `--out PATH [--kind KIND] [--version VERSION] [--misbehave JSON] [--python INTERPRETER]`."""
    parser = argparse.ArgumentParser(prog="python -m wnm_sim.make_program", description=__doc__)
    parser.add_argument("--kind", choices=tuple(KINDS), default="antnode", help="the node program to play")
    parser.add_argument("--version", help="0.4.17, 0.4.18-rc.1, nightly-2026.02.23; for ant-node 0.14.2")
    parser.add_argument("--out", required=True, type=Path, help="the file to write")
    parser.add_argument("--misbehave", default="", metavar="JSON", help="what this version does wrong")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs it")
    asked = parser.parse_args(argv)
    version = asked.version or KINDS[asked.kind].default_version
    try:
        write_program(asked.out, version, asked.python, kind=asked.kind, misbehave=asked.misbehave)
    except ValueError as problem:
        parser.error(f"--misbehave: {problem}")
    except OSError as problem:
        print(f"{asked.out} cannot be written: {problem.strerror}", file=sys.stderr)
        return 1
    return 0


def _archive(main: str) -> bytes:
    here = Path(__file__).parent
    sources = {f"wnm_sim/{name}": (here / f"{name}.py").read_text("utf-8") for name in _MODULES}
    packages = {"wnm_sim/__init__": ""}
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, source in (packages | sources | {"__main__": main}).items():
            # A ZipInfo carries no time: the same version is the same bytes. Python opens
            # the compressed source only when the byte code is not its own.
            archive.writestr(zipfile.ZipInfo(f"{name}.py"), source, zipfile.ZIP_DEFLATED)
            archive.writestr(zipfile.ZipInfo(f"{name}.pyc"), _compiled(source, f"{name}.py"))
        for sample in sorted((here / "samples").iterdir()):
            name = f"wnm_sim/samples/{sample.name}"
            archive.writestr(zipfile.ZipInfo(name), sample.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _compiled(source: str, name: str) -> bytes:
    """Byte code (PEP 552, unchecked hash) that is trusted without a look at the source; another Python ignores it."""
    unchecked = (1).to_bytes(4, "little")
    head = importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source.encode())
    return head + marshal.dumps(compile(source, name, "exec", dont_inherit=True))


if __name__ == "__main__":
    sys.exit(main())
