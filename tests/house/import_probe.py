"""Import the modules named on the command line, one after another, and print what each of them did to the machine.

Run in an interpreter of its own: an audit hook cannot be taken out again. Prints one line `module: deed` per deed.
"""

import importlib
import os
import sys
from typing import Any

DEEDS = frozenset(
    {
        "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.kill", "os.link", "os.mkdir", "os.posix_spawn",
        "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.symlink", "os.system", "os.truncate",
        "os.unsetenv", "os.utime", "socket.__new__", "sqlite3.connect", "subprocess.Popen", "_thread.start_new_thread",
        "_thread.start_joinable_thread",
    }
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(list[str]):
    """A stand-in for sys.argv that notes whoever looks at it."""

    def __getattribute__(self, name: str) -> Any:
        note("sys.argv", name)
        return super().__getattribute__(name)

    def __getitem__(self, index: Any) -> Any:
        note("sys.argv", index)
        return super().__getitem__(index)

    def __iter__(self) -> Any:
        note("sys.argv", "all")
        return super().__iter__()

    def __len__(self) -> int:
        note("sys.argv", "length")
        return super().__len__()


seen: list[str] = []
importing = ""


def note(*deed: object) -> None:
    """Remember a deed under the module that is being imported; outside of an import nothing counts."""
    if importing:
        seen.append(f"{importing}: {' '.join(map(str, deed))}")


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: note what changes or asks the world; reading files is what imports do."""
    if event == "open":
        path, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (
            isinstance(flags, int) and flags & WRITING
        ):
            note("open for writing", path)
    elif event in DEEDS:
        note(event, *arguments[:1])


def main(modules: list[str]) -> None:
    """Import the modules under watch and print the deeds."""
    global importing
    sys.argv = Forbidden(["wnm", "--init"])
    sys.addaudithook(watch)
    for module in modules:
        importing = module
        importlib.import_module(module)
        importing = ""
    for line in seen:
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
