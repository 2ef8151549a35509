"""What a folder holds, down to the last byte, so that two looks at it can be compared."""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

type Footprint = Mapping[str, tuple[object, ...]]


def footprint(root: Path) -> Footprint:
    """The folder and every path below: kind, mode, owner, links, size, time of change and content."""
    found = {str(root): _facts(root)}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            found[str(Path(folder, name))] = _facts(Path(folder, name))
    return found


def contents(root: Path) -> Footprint:
    """The same without times and without the lock file, whose content is only who holds it at this moment."""
    return {
        path: (*facts[:-2], facts[-1])
        for path, facts in footprint(root).items()
        if not path.endswith("wnm_active")
    }


def differences(before: Footprint, after: Footprint) -> list[str]:
    """What is new, gone or different, sorted."""
    lines = [f"new: {path}" for path in after.keys() - before.keys()]
    lines += [f"gone: {path}" for path in before.keys() - after.keys()]
    lines += [
        f"changed: {path}: {before[path]} -> {after[path]}"
        for path in before.keys() & after.keys()
        if before[path] != after[path]
    ]
    return sorted(lines)


def _facts(path: Path) -> tuple[object, ...]:
    """The time of access is left out: reading is allowed."""
    seen = path.lstat()
    content = ""
    if stat.S_ISLNK(seen.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(seen.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    size = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_size
    return oct(seen.st_mode), seen.st_uid, seen.st_nlink, size, seen.st_mtime_ns, content
