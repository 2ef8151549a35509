"""Writes a simulated node program of any version: one executable file that needs only Python."""

import argparse
import py_compile
import shlex
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from wnm.simulator.version_text import DEFAULT_VERSION, version_text

# Every module that a running node imports, in no special order.
_MODULES = (
    *("answers", "arguments", "bell", "exposition", "folder", "identity", "journal", "misbehave"),
    *("node", "page_server", "pages", "process_figures", "self_upgrade", "strain", "swarm_page"),
    *("version_text", "vitals"),
)
# The shell answers --version by itself, in a few milliseconds; for everything else it becomes
# Python, which runs the zip archive that follows. -I and -S keep the start short and the
# program independent of the working directory, PYTHONPATH and installed packages.
_LAUNCHER = """\
#!/bin/sh
# A simulated node, written by wnm.simulator.make_program.
for word do
  if [ "$word" = --version ]; then
    printf '%s\\n' {version_text}
    exit 0
  fi
done
exec {python} -I -S "$0" "$@"
exit 127
"""
_MAIN = """\
import sys
from pathlib import Path
from wnm.simulator.node import run
sys.exit(run(sys.argv[1:], version={version!r}, program=Path(sys.argv[0]).absolute()))
"""


def write_program(path: Path, version: str, python: str = sys.executable) -> None:
    """Write an executable node program of this version to `path`, replacing a file there.

    `version` is like `0.4.17`, `0.4.18-rc.1` or `nightly-2026.02.23`; `python` is the
    interpreter that runs it. A running copy of an older file is not disturbed: the
    new file takes its name by a rename. Raises OSError when `path` cannot be written.
    """
    launcher = _LAUNCHER.format(version_text=shlex.quote(version_text(version)), python=shlex.quote(python))
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(launcher.encode() + _archive(version))
    unfinished.chmod(0o755)
    unfinished.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: `--version VERSION --out PATH [--python INTERPRETER]`."""
    parser = argparse.ArgumentParser(prog="python -m wnm.simulator.make_program", description=__doc__)
    parser.add_argument("--version", default=DEFAULT_VERSION, help="0.4.17, 0.4.18-rc.1, nightly-2026.02.23")
    parser.add_argument("--out", required=True, type=Path, help="the file to write")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs it")
    asked = parser.parse_args(argv)
    try:
        write_program(asked.out, asked.version, asked.python)
    except OSError as problem:
        print(f"{asked.out} cannot be written: {problem.strerror}", file=sys.stderr)
        return 1
    return 0


def _archive(version: str) -> bytes:
    here = Path(__file__).parent
    sources = {f"wnm/simulator/{name}": (here / f"{name}.py").read_text("utf-8") for name in _MODULES}
    packages = {"wnm/__init__": "", "wnm/simulator/__init__": ""}
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, tempfile.TemporaryDirectory() as scratch:
        for name, source in (packages | sources | {"__main__": _MAIN.format(version=version)}).items():
            # A ZipInfo carries no time: the same version is the same bytes. Python opens
            # the compressed source only when the byte code is not its own.
            archive.writestr(zipfile.ZipInfo(f"{name}.py"), source, zipfile.ZIP_DEFLATED)
            archive.writestr(zipfile.ZipInfo(f"{name}.pyc"), _compiled(source, name, Path(scratch)))
    return packed.getvalue()


def _compiled(source: str, name: str, scratch: Path) -> bytes:
    """Byte code that is trusted without a look at the source; another Python ignores it."""
    written = scratch / "source.py"
    written.write_text(source, "utf-8")
    compiled = py_compile.compile(
        str(written),
        cfile=str(scratch / "compiled.pyc"),
        dfile=f"{name}.py",
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return Path(str(compiled)).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
