"""Small file systems for tests: mounted for one test, and gone after it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MAY_MOUNT = sys.platform == "linux" and os.geteuid() == 0 and bool(shutil.which("mount"))


class Disks:
    """Mounts below a test's folder."""

    def __init__(self) -> None:
        self._mounted: list[Path] = []

    def memory(self, place: Path, options: str = "size=1g") -> Path:
        """A file system in memory at `place`."""
        return self._mount(place, "-t", "tmpfs", "-o", options, "tmpfs")

    def image(self, place: Path, file: Path, *make: str) -> Path:
        """The file system in a file of 900 MB, made on the first call."""
        if not file.exists():
            with file.open("wb") as whole:
                whole.truncate(900_000_000)
            _run("mkfs.ext4", "-q", "-F", "-N", "2000", *make, str(file))
        return self._mount(place, "-o", "loop", str(file))

    def bind(self, place: Path, source: Path) -> Path:
        """Another place for a folder."""
        return self._mount(place, "--bind", str(source))

    def remount(self, place: Path, options: str) -> None:
        """Change how it is mounted."""
        _run("mount", "-o", f"remount,{options}", str(place))

    def unmount(self, place: Path) -> None:
        """Take it away, whoever has files in it open."""
        _run("umount", "-l", str(place))
        self._mounted.remove(place)

    def end(self) -> None:
        for place in reversed(self._mounted):
            subprocess.run(["umount", "-l", str(place)], check=False)

    def _mount(self, place: Path, *words: str) -> Path:
        place.mkdir(parents=True, exist_ok=True)
        _run("mount", *words, str(place))
        self._mounted.append(place)
        return place


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


@pytest.fixture
def disks() -> Iterator[Disks]:
    """File systems of one test; skipped where nothing may be mounted."""
    if not MAY_MOUNT:
        pytest.skip("only root may mount file systems, on Linux")
    made = Disks()
    yield made
    made.end()
