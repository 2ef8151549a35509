"""Backups of nodes' secret keys, made before a node's folder is deleted."""

import hashlib
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

from wnm.core.errors import Transient
from wnm.system.files import make_private_dir, open_regular, write_private

MOST_KEY_BYTES = 64 * 1024


def back_up_key(
    key_file: str, *, key_storage: str, name: str, peer_id: str | None, now: datetime
) -> str | None:
    """Return the path of a verified copy (0600) of a node's key; None if it has no key.

    The copy is `<key_storage>/<name>-<UTC time>-<peer id, or hash of the key>/<name of the key file>`. A copy of the
    same key from an earlier attempt serves as well. Transient if there is a key and it cannot be copied.
    """
    try:
        key = _read(key_file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Transient(
            f"cannot back up {key_file}: {error.strerror or error}; nothing was deleted"
        ) from error
    # The peer id is what the node said it is: it becomes part of a path only if it looks like one.
    tail = (
        peer_id
        if peer_id and re.fullmatch(r"[A-Za-z0-9]{1,80}", peer_id)
        else hashlib.sha256(key).hexdigest()[:16]
    )
    file_name = Path(key_file).name
    try:
        copy = Path(key_storage) / f"{name}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{tail}" / file_name
        for earlier in sorted(Path(key_storage).glob(f"{name}-*-{tail}")):
            if _is_copy(earlier / file_name, key):
                return str(earlier / file_name)
            if not (earlier / file_name).exists():
                # An attempt that was interrupted: this one takes its place.
                copy = earlier / file_name
        make_private_dir(str(copy.parent))
        write_private(str(copy), key)
        if _is_copy(copy, key):
            return str(copy)
    except OSError as error:
        raise Transient(
            f"cannot back up {key_file} to {key_storage}: {error.strerror}; nothing was deleted"
        ) from error
    raise Transient(f"the copy {copy} differs from {key_file}; nothing was deleted")


def _read(path: str) -> bytes:
    with open_regular(path, follow_link=False) as file:
        key = file.read(MOST_KEY_BYTES + 1)
    if len(key) > MOST_KEY_BYTES:
        raise OSError(f"it is larger than {MOST_KEY_BYTES} bytes")
    return key


def _is_copy(path: Path, key: bytes) -> bool:
    try:
        return _read(str(path)) == key and stat.S_IMODE(path.stat().st_mode) == 0o600
    except FileNotFoundError:
        return False
