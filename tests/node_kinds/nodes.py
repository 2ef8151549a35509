"""An ordinary node of either kind, for the tests of what differs between them."""

from datetime import UTC, datetime
from typing import Any

from wnm.core.node import Node, NodeId, Status

WALLET = "0x00455d78f850b0358E8cea5be24d415E01E107CF"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def node_of(kind: str, **changes: Any) -> Node:
    """Node 7 in /data/node/n7; its program has the kind's name."""
    ordinary: dict[str, Any] = {
        "id": NodeId(7), "name": "antnode0007", "kind": kind, "manager": "setsid",
        "root_dir": "/data/node/n7", "log_dir": "/data/logs/n7", "program": f"/data/node/n7/{kind}",
        "port": 55007, "metrics_port": 13007, "wallet": WALLET,
        "born": NOON, "status": Status.STOPPED, "status_since": NOON,
    }  # fmt: skip
    return Node(**(ordinary | changes))


def value(argv: tuple[str, ...], flag: str) -> str:
    """What follows a flag that must be there once."""
    assert argv.count(flag) == 1
    return argv[argv.index(flag) + 1]


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()
