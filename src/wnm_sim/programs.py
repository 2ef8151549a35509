"""Plays antnode and ant-node: the version texts, keys, files and logs in which these programs differ."""

import json
import os
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from wnm_sim.command_line import ANT_NODE_USAGE, ANTNODE_USAGE, Arguments, parse_ant_node, parse_antnode
from wnm_sim.pages import NEWBORN, History, Vitals

FIRST_RECORDS = 4
PAGE_BYTES = 4096
MAP_BYTES = 64 * 1024 * 1024

# ---- identity

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# The bytes before an Ed25519 public key in a peer id: they make it begin with 12D3KooW.
_PEER_ID_HEAD = bytes((0x00, 0x24, 0x08, 0x01, 0x12, 0x20))
_PRIME = 2**255 - 19
_FACTOR = 0x5DEECE66D5DEECE66D5DEECE66D5DEECE66D5DEECE66D5DEECE66D5DEECE66D


def kept_key(root: Path, fresh: bytes, name: str) -> bytes:
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


def default_root(folders: Sequence[str], peer: str) -> Path:
    """The root directory of a node that was given none, in these folders of the user's data."""
    data = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return Path.home().joinpath(data, *folders, peer)


# ---- antnode


class Journal:
    """The log of antnode, to a file in a folder or to standard output, and its note of a fatal stop.

    `report_seconds` is how often it wants to hear how the node is, None for never.
    """

    report_seconds: float | None = None

    def __init__(
        self, folder: Path | None, *, as_json: bool, name: str = "antnode.log", note: Path | None = None
    ) -> None:
        self._as_json = as_json
        self._note = note
        self._handle = 1  # standard output
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def say(self, message: str, level: str = "INFO") -> None:
        line = f"[{_utc_now()} {level} antnode] {message}"
        if self._as_json:
            line = json.dumps({"timestamp": _utc_now(), "level": level, "message": message})
        self._write(line)

    def _write(self, line: str) -> None:
        """A full disk or a reader that has gone loses the line and nothing else."""
        with suppress(OSError):
            os.write(self._handle, f"{line}\n".encode())

    def started(self, version: str, peer: str) -> None:
        """Write that the node starts; the reason of an earlier stop is forgotten."""
        if self._note:
            self._note.unlink(missing_ok=True)
        self.say(f"Starting {version} as {peer}")

    def listening(self, port: int) -> None:
        self.say(f"Listening on UDP port {port}")

    def ready(self, seen: Vitals) -> None:
        """Hear that the start is over; antnode does not log it."""

    def stopping(self, signals: str) -> None:
        self.say(f"Stopping after {signals}")

    def stopped(self) -> None:
        """Hear of the end of an orderly stop; antnode does not log it."""

    def stored(self, record: str, length_bytes: int) -> None:
        """Hear of a new record; antnode does not log it."""

    def report(self, seen: Vitals) -> None:
        """Hear how the node is; antnode has pages for that."""

    def critical(self, reason: str) -> None:
        """Say that something is badly wrong, and leave the reason in a file; a full disk leaves none."""
        self.say(f"Node terminated due to: {reason}", "ERROR")
        with suppress(OSError):
            if self._note:
                self._note.write_text(f"[{_utc_now()}] Node terminated due to: {reason}\n", "utf-8")

    def ended(self, reason: str) -> None:
        self.critical(reason)


class NodeFolder:
    """The root directory of one antnode; a few kilobytes unless it is told to fill the disk."""

    _MOST_RECORDS = 24
    _RECORD_BYTES = 160

    def __init__(self, root: Path) -> None:
        self._pid_file = root / "antnode.pid"
        self._history_file = root / "historic_quoting_metrics"
        self._store = root / "record_store"
        self._filler = self._store / "filler"
        self.records = 0

    def prepare(self, *, grows: bool = True) -> None:
        """Make the record store and its first records; count those of earlier starts."""
        self.records = self._open()
        if grows:
            self.grow_to(FIRST_RECORDS)

    def grow_to(self, records: int) -> list[str]:
        """Store more records until there are so many, or as many as a simulation needs; returns the new ones."""
        stored: list[str] = []
        while self.records < min(records, self._MOST_RECORDS):
            stored.append(os.urandom(32).hex())
            self._write(stored[-1])
            self.records += 1
        return stored

    def _open(self) -> int:
        """Make the store, or count its records."""
        self._store.mkdir(exist_ok=True)
        return sum(record != self._filler for record in self._store.iterdir())

    def _write(self, record: str) -> None:
        (self._store / record).write_bytes(os.urandom(self._RECORD_BYTES))

    def fill(self, length_bytes: int) -> None:
        """Use up this much more disk. Raises OSError when the disk is full."""
        with self._filler.open("ab") as file:
            file.write(b"\1" * length_bytes)

    def write_pid(self) -> None:
        self._pid_file.write_text(f"{os.getpid()}\n", "ascii")

    def remove_pid(self) -> None:
        """Take the pid file away, unless it already names another process."""
        with suppress(OSError):
            if self._pid_file.read_text("ascii").strip() == str(os.getpid()):
                self._pid_file.unlink()

    def read_history(self) -> History:
        """Read what earlier processes left; a missing or damaged file means a new node."""
        try:
            payments, lived_seconds = json.loads(self._history_file.read_text("utf-8"))
            return History(payments=int(payments), lived_seconds=int(lived_seconds))
        except (OSError, ValueError, TypeError):
            return NEWBORN

    def tell_peers(self, peer: str, peers: int) -> None:
        """Hear whom the node knows; antnode keeps that in a cache of all nodes of an account."""

    def write_history(self, history: History) -> None:
        self._history_file.write_text(json.dumps(history), "utf-8")


class Antnode:
    """antnode. `spoken_version` is what pages and logs say, `one_version` the answer to a version flag."""

    default_version = "0.4.17"
    key_file = "secret-key"
    keeps_backup = False
    default_root = ("autonomi", "node")
    usage = ANTNODE_USAGE
    folder = NodeFolder

    def parse(self, words: Sequence[str], refused: Collection[str]) -> Arguments:
        return parse_antnode(words, refused)

    def version_text(self, version: str) -> str:
        """The answer to `--version`, without a final newline.

        `0.4.17` and `0.4.18-rc.1` give the four lines of a release,
        `nightly-2026.02.23` the three lines of a nightly one.
        """
        network, git = "Network version: ant/1.0/1", "Git info: stable / 5e1ec7ab"
        if version.startswith("nightly-"):
            nightly = version.removeprefix("nightly-")
            return f"Autonomi Node -- Nightly Release {nightly}\n{network}\n{git}"
        return f"Autonomi Node v{version}\n{network}\nPackage version: 2026.2.3.2\n{git} / 2026-02-23"

    def spoken_version(self, version: str) -> str:
        """A nightly build carries the version of the last release."""
        return self.default_version if version.startswith("nightly-") else version

    def one_version(self, which: str, version: str) -> str:
        return {
            "--version": self.version_text(version),
            "--crate-version": f"Crate version: {self.spoken_version(version)}",
            "--package-version": "Package version: 2026.2.3.2",
            "--protocol-version": "Network version: ant/1.0/1",
        }[which]

    def peer_id(self, key: bytes) -> str:
        return peer_id(key)

    def journal(self, asked: Arguments, root: Path) -> Journal:
        folder = None
        if asked.log_output_dest != "stdout":
            folder = root / "logs" if asked.log_output_dest == "data-dir" else Path(asked.log_output_dest)
        note = (folder or root) / "critical_failure.log"
        return Journal(folder, as_json=asked.log_format == "json", note=note)


# ---- ant-node


class AntNodeJournal(Journal):
    """Log lines as ant-node writes them, to a file a day, to standard output, or nowhere."""

    report_seconds = 5.0

    def __init__(self, root: Path, folder: Path | None, *, as_json: bool, silent: bool) -> None:
        self._root = root
        name = time.strftime("ant-node.%Y-%m-%d.log", time.gmtime())
        super().__init__(None if silent else folder, as_json=as_json, name=name)
        self._silent = silent

    def say(
        self, message: str, level: str = "INFO", target: str = "ant_node::node", **fields: object
    ) -> None:
        if self._silent:
            return
        if self._as_json:
            frame = {"timestamp": _utc_now(), "level": level, "message": message, "target": target}
            self._write(json.dumps(frame | fields))
            return
        quoted = {name: json.dumps(fields[name]) for name in ("version", "commit") if name in fields}
        told = "".join(f" {name}={value}" for name, value in (fields | quoted).items())
        self._write(f"{_utc_now()} {level:>5} {target}: {message}{told}")

    def started(self, version: str, peer: str) -> None:
        self.say("ant-node starting", target="ant_node", version=version, commit="5e1ec7ab")
        self.say("Node identity resolved", peer_id=peer)

    def listening(self, port: int) -> None:
        self.say("P2P node started", listen_addrs=f"[/ip4/0.0.0.0/udp/{port}/quic]")
        self.say(f"Node is running on port: {port}", port=port)

    def ready(self, seen: Vitals) -> None:
        core = "saorsa_core::network"
        peers = seen.connected_peers
        self.say(
            f"Bootstrap complete: connected to {peers} peers, initiated 1 discovery requests", target=core
        )
        self._saved(peers, "post_bootstrap")
        self.say("Replication engine started with 19 background tasks", target="ant_node::replication")
        self.say("Node running, waiting for shutdown signal")

    def stopping(self, signals: str) -> None:
        self.say(f"Received {signals.split(',')[0]}, initiating shutdown")

    def stopped(self) -> None:
        self.say("Node shutdown complete")
        self.say("Goodbye!", target="ant_node")

    def _saved(self, peers: int, why: str) -> None:
        said = f"Saved {peers} close group peers to cache in {self._root}"
        self.say(said, target="saorsa_core::network", save_reason=json.dumps(why))

    def stored(self, record: str, length_bytes: int) -> None:
        self.say(f"Stored chunk {record} ({length_bytes} bytes)", target="ant_node::storage::handler")

    def report(self, seen: Vitals) -> None:
        """Write what the real one writes every five and ten minutes."""
        self._saved(seen.connected_peers, "periodic")
        said = "chunk rpc traffic summary (cumulative)"
        reads = seen.uptime_seconds // 2
        self.say(
            said,
            target="ant_node::storage::traffic",
            group=2,
            get_success_tx_count=reads,
            put_success_tx_count=seen.records,
            quote_tx_count=reads // 3,
        )

    def critical(self, reason: str) -> None:
        self.say(f"CRITICAL: {reason}", "ERROR")

    def ended(self, reason: str) -> None:
        """Print why the node ends; ant-node leaves no file."""
        print(f"Error: \n   0: {reason}\n\nLocation:\n   src/bin/ant-node/main.rs:150", file=sys.stderr)


class AntNodeFolder(NodeFolder):
    """The folder of one ant-node. It writes no pid file and remembers nothing but its records.

    `chunks.mdb/data.mdb` is as long as its map from the start, as with LMDB, and takes up only what was stored.
    The first page says how many records there are, so it changes with every one.
    """

    _MOST_RECORDS = 256
    _PAGES_A_RECORD = 4
    _META_PAGES = 2

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._filler = root / "chunks.mdb" / "data.mdb"

    def _open(self) -> int:
        self._filler.parent.mkdir(exist_ok=True)
        (self._filler.parent / "lock.mdb").touch()
        with self._filler.open("ab+") as file:
            file.seek(0)
            head = file.read(PAGE_BYTES)
            if len(head) < PAGE_BYTES:
                file.truncate(MAP_BYTES)
        return int(head.rstrip(b"\0") or 0)

    def _write(self, record: str) -> None:
        with self._filler.open("rb+", buffering=0) as file:
            file.seek((self._META_PAGES + self.records * self._PAGES_A_RECORD) * PAGE_BYTES)
            file.write(os.urandom(self._PAGES_A_RECORD * PAGE_BYTES))
            file.seek(0)
            file.write(str(self.records + 1).encode().ljust(PAGE_BYTES, b"\0"))

    def write_pid(self) -> None:
        """Leave no pid file: ant-node has none."""

    def read_history(self) -> History:
        """Nothing is remembered."""
        return NEWBORN

    def write_history(self, history: History) -> None:
        """Nothing is remembered."""

    def tell_peers(self, peer: str, peers: int) -> None:
        """Write the files in which a real one keeps its neighbours and its routing table."""
        now = int(time.time())
        known = [
            {"peer_id": f"{number:064x}", "addresses": [f"/ip4/127.0.0.1/udp/{40000 + number}/quic"]}
            for number in range(1, peers + 1)
        ]
        table = {"schema_version": 1, "owner": peer, "saved_at_epoch_secs": now, "peers": known}
        trust = {"score": 0.5, "last_updated_epoch_secs": now}
        cache = {"peers": [{**each, "trust": trust} for each in known[:20]]}
        for name, content in (("routing_snapshot.json", table), ("close_group_cache.json", cache)):
            fresh = self._filler.parents[1] / f".{name}.new"
            fresh.write_text(json.dumps(content), "utf-8")
            fresh.chmod(0o600)
            fresh.replace(fresh.with_name(name))


class AntNode(Antnode):
    """ant-node, which has no pages and knows flags by variables too. Its peer id is 64 hexadecimal digits."""

    default_version = "0.14.2"
    key_file = "node_identity.key"
    keeps_backup = True
    default_root = ("ant", "nodes")
    usage = ANT_NODE_USAGE
    folder = AntNodeFolder

    def parse(self, words: Sequence[str], refused: Collection[str]) -> Arguments:
        return parse_ant_node(words, os.environ, refused)

    def version_text(self, version: str) -> str:
        return f"ant-node {version}"

    def spoken_version(self, version: str) -> str:
        return version

    def peer_id(self, key: bytes) -> str:
        return peer_number(key).to_bytes(32, "big").hex()

    def journal(self, asked: Arguments, root: Path) -> AntNodeJournal:
        folder = None if asked.log_output_dest in ("", "stdout") else Path(asked.log_output_dest)
        return AntNodeJournal(
            root, folder, as_json=asked.log_format == "json", silent=not asked.log_output_dest
        )


KINDS = {"antnode": Antnode(), "ant-node": AntNode()}
"""The programs by the name that `wnm_sim.make_program --kind` takes."""


def _utc_now() -> str:
    """The time as `2026-02-23T10:20:30.123456Z`."""
    now = time.time()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{whole}.{int(now % 1 * 1_000_000):06d}Z"
