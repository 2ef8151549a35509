"""Reads the files in which an ant-node tells how it is: neighbours, routing table, store, ports and locks.

Every text may be cut, hostile or from another release: what cannot be right is None. The forms are those of releases
0.22 and 0.23 (saorsa-core's `bootstrap/cache.rs` and `routing_snapshot.rs`, ant-node's `storage/migration.rs`).
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

MOST_BYTES = 1024 * 1024
"""A routing table of 1,024 peers, the most there can be, takes about 200 KB."""
_PEER_ID = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"[0-9a-f]{2}")
_WEBRTC = re.compile(r"/ip[46]/[0-9a-fA-F.:]{2,45}/udp/([0-9]{1,5})/webrtc-direct\b")
_FLOCK = re.compile(
    r"^[0-9]+: FLOCK +ADVISORY +(?:READ|WRITE) +([0-9]{1,10}) ([0-9a-f]{2,4}):([0-9a-f]{2,6}):([0-9]{1,20}) ",
    re.MULTILINE,
)
_LATEST_SECONDS = 2**33


class RoutingSnapshot(Struct, frozen=True, kw_only=True):
    """The peers that a node knew when it saved its routing table; `owner` is its own peer id."""

    owner: str
    peers: int
    saved_at: datetime


class CloseGroup(Struct, frozen=True, kw_only=True):
    """A node's neighbours; `trust` is the median of the scores that it gives them (0 to 1), None without any."""

    peers: int
    trust: float | None


class Migration(Struct, frozen=True, kw_only=True):
    """How far release 0.22 has come with moving an older store into files; `left_behind` are chunks it gave up."""

    is_over: bool
    left_behind: int


def routing_snapshot(text: str) -> RoutingSnapshot | None:
    """Read `routing_snapshot.json`."""
    found = _object(text)
    owner, peers, saved = found.get("owner"), found.get("peers"), _moment(found.get("saved_at_epoch_secs"))
    if not isinstance(owner, str) or not _PEER_ID.fullmatch(owner) or saved is None:
        return None
    return RoutingSnapshot(owner=owner, peers=len(_peers(peers)), saved_at=saved)


def close_group(text: str) -> CloseGroup | None:
    """Read `close_group_cache.json`."""
    found = _object(text).get("peers")
    if not isinstance(found, list):
        return None
    peers = _peers(found)
    trusts = [each.get("trust") for each in peers]
    scores = [trust.get("score") for trust in trusts if isinstance(trust, dict)]
    good = [float(score) for score in scores if isinstance(score, int | float) and 0 <= score <= 1]
    return CloseGroup(peers=len(peers), trust=_median(good) if good else None)


def _median(figures: list[float]) -> float:
    """The library's own costs more to import than all the rest here."""
    ordered, half = sorted(figures), len(figures) // 2
    return ordered[half] if len(figures) % 2 else (ordered[half - 1] + ordered[half]) / 2


def migration(text: str) -> Migration | None:
    """Read `migration-state.json`, which release 0.22 keeps while it moves an older store."""
    found = _object(text)
    phase, left = found.get("phase"), found.get("shed_key_count", 0)
    if phase not in ("bridging", "committed", "files_only"):
        return None
    behind = left if isinstance(left, int) and 0 <= left < 2**63 else 0
    return Migration(is_over=phase == "files_only", left_behind=behind)


def is_shard(name: str) -> bool:
    """Whether a folder below `chunks/` holds chunks: those whose name ends with its two digits."""
    return _SHARD.fullmatch(name) is not None


def chunks_among(shard: str, names: Iterable[str]) -> int:
    """Return how many of the names in a shard are whole chunks; what is being written has another name."""
    return sum(name.endswith(shard) and _PEER_ID.fullmatch(name) is not None for name in names)


def webrtc_port(text: str) -> int | None:
    """The UDP port for browsers in `webrtc-direct.multiaddr`."""
    found = _WEBRTC.match(text.strip()[:4096])
    port = int(found[1]) if found else 0
    return port if 0 < port < 65536 else None


def flock_holders(text: str, device: tuple[int, int], inode: int) -> tuple[int, ...]:
    """The pids that hold a lock of flock(2) on a file, from /proc/locks; waiting ones (`->`) do not count.

    `device` is the major and minor number of the file's file system. A pid that lives elsewhere is 0 there.
    """
    return tuple(
        int(pid)
        for pid, major, minor, number in _FLOCK.findall(text)
        if int(number) == inode and (int(major, 16), int(minor, 16)) == device
    )


def _object(text: str) -> dict[str, Any]:
    """The JSON object in a text; an empty one for anything else."""
    if len(text) > MOST_BYTES:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _peers(found: object) -> list[dict[str, Any]]:
    """The entries of a list that are peers, each once."""
    listed = found if isinstance(found, list) else []
    return list({
        each["peer_id"]: each
        for each in listed
        if isinstance(each, dict)
        and isinstance(each.get("peer_id"), str)
        and _PEER_ID.fullmatch(each["peer_id"])
    }.values())  # fmt: skip


def _moment(seconds: object) -> datetime | None:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds < _LATEST_SECONDS:
        return None
    return datetime.fromtimestamp(seconds, UTC)
