"""The log of ant-node, off unless asked for, and how it says why it ends."""

import json
import sys
import time
from pathlib import Path

from wnm_sim.journal import Journal, utc_now
from wnm_sim.vitals import Vitals

_NODE = "ant_node::node"


class AntNodeJournal(Journal):
    """Log lines as ant-node writes them, to a file a day, to standard output, or nowhere."""

    report_seconds = 5.0

    def __init__(self, folder: Path | None, *, as_json: bool, silent: bool) -> None:
        name = time.strftime("ant-node.%Y-%m-%d.log", time.gmtime())
        super().__init__(None if silent else folder, as_json=as_json, name=name)
        self._silent = silent

    def say(self, message: str, level: str = "INFO", target: str = _NODE, **fields: object) -> None:
        """Write one line, unless nothing is logged. A full disk loses the line and nothing else."""
        if self._silent:
            return
        if self._as_json:
            frame = {"timestamp": utc_now(), "level": level, "message": message, "target": target}
            self._write(json.dumps(frame | fields))
            return
        told = "".join(f" {name}={_told(value)}" for name, value in fields.items())
        self._write(f"{utc_now()} {level:>5} {target}: {message}{told}")

    def started(self, version: str, peer: str) -> None:
        """Write that the node starts, and who it is."""
        self.say("ant-node starting", target="ant_node", version=version, commit="5e1ec7ab")
        self.say("Node identity resolved", peer_id=Unquoted(peer))

    def listening(self, port: int) -> None:
        """Write that the node's port is open."""
        self.say("P2P node started", listen_addrs=Unquoted(f"[/ip4/0.0.0.0/udp/{port}/quic]"))
        self.say(f"Node is running on port: {port}", port=port)
        self.say("Node running, waiting for shutdown signal")

    def stored(self, record: str, length_bytes: int) -> None:
        """Write that a chunk was stored."""
        self.say(f"Stored chunk {record} ({length_bytes} bytes)", target="ant_node::storage::handler")

    def report(self, seen: Vitals) -> None:
        """Write how many peers there are."""
        self.say("connected", peers=seen.connected_peers)


class Unquoted(str):
    """A value that is written as it is; texts are quoted otherwise."""

    __slots__ = ()


def _told(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) and not isinstance(value, Unquoted) else str(value)


class LastBreath:
    """What ant-node prints when it ends by itself; it leaves no file."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def leave(self, reason: str) -> None:
        """Log that something is badly wrong."""
        self._journal.say(f"CRITICAL: {reason}", "ERROR")

    def end(self, reason: str) -> None:
        """Print why the node ends now."""
        print(f"Error: \n   0: {reason}\n\nLocation:\n   src/bin/ant-node/main.rs:150", file=sys.stderr)

    def clear(self) -> None:
        """There is nothing from an earlier stop."""
