"""The secret key of a node and the peer id that follows from it."""

import os
import sys
from pathlib import Path

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_KEY_BYTES = 32
# The bytes before an Ed25519 public key in a peer id: they make it begin with 12D3KooW.
_PEER_ID_HEAD = bytes((0x00, 0x24, 0x08, 0x01, 0x12, 0x20))
_PRIME = 2**255 - 19
_FACTOR = 0x5DEECE66D5DEECE66D5DEECE66D5DEECE66D5DEECE66D5DEECE66D5DEECE66D


def new_key() -> bytes:
    """A random secret key of 32 bytes."""
    return os.urandom(_KEY_BYTES)


def kept_key(root: Path, fresh: bytes, name: str = "secret-key") -> bytes:
    """The key in the file `name` in `root`; on the first start that file is made of `fresh`, mode 0600."""
    path = root / name
    if not path.exists():
        unfinished = root / f".{name}.new"  # renamed when whole: a kill leaves no half key
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(fresh)
        unfinished.rename(path)
    return path.read_bytes()


def peer_number(key: bytes) -> int:
    """A number that differs from key to key, the stand-in for a public key (below 2^255).

    It keeps no secret: nothing is worth stealing from a simulated node, and a hash
    would cost every node the memory of a cryptography library.
    """
    return int.from_bytes(key, "big") * _FACTOR % _PRIME


def peer_id(key: bytes) -> str:
    """The peer id of a key: 52 characters of base 58 that begin with 12D3KooW."""
    number = int.from_bytes(_PEER_ID_HEAD + peer_number(key).to_bytes(32, "big"), "big")
    digits = ""
    while number:
        number, place = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[place] + digits
    return "1" + digits  # a leading zero byte is written as 1


def default_root(peer: str, *folders: str) -> Path:
    """The root directory of a node that was given none."""
    data = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return Path.home().joinpath(data, *(folders or ("autonomi", "node")), peer)
