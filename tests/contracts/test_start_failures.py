"""Why a node did not start, as the machine shows it: who holds its port, who its store."""

import fcntl
import os
import socket
import sys
from pathlib import Path

import pytest
from tests.builders import row

from wnm.core.errors import NeedsOperator, Transient
from wnm.core.node import Node
from wnm.node_kinds.kinds import KINDS
from wnm.process_managers.start_failures import explained

NO_TRANSPORT = "antnode0001 ended at once with code 1: Failed to create transport"
IN_USE = (
    "antnode0001 ended at once with code 1: Another process already has the chunk store at /n/chunks open"
)


def error(said: str, node: Node) -> Exception:
    return explained(said, node, KINDS["ant-node"], "/keys")


def test_who_holds_the_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        found = error(NO_TRANSPORT, row(1, port=port))
    assert isinstance(found, Transient)
    assert f"its UDP port {port} cannot be opened: process {os.getpid()} (" in str(found)
    assert "holds it" in str(found)


def test_a_port_that_is_free_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    assert "it is free now" in str(error(NO_TRANSPORT, row(1, port=port)))


@pytest.mark.skipif(sys.platform != "linux", reason="locks are listed by Linux alone")
def test_who_has_the_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "chunks").mkdir()
    with (tmp_path / "chunks" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = error(IN_USE, row(1, root_dir=str(tmp_path)))
    assert f"its folder {tmp_path} is in use by process {os.getpid()} (" in str(found)


def test_what_cannot_mend_itself_needs_the_operator() -> None:
    found = error("Failed to load node identity: EOF", row(1))
    assert isinstance(found, NeedsOperator)
    assert "/keys" in found.remedy
    assert "--service_name antnode0001" in found.remedy


def test_what_is_not_known_stays_as_it_was_said() -> None:
    found = error("it ended with code 7", row(1))
    assert isinstance(found, Transient)
    assert str(found) == "it ended with code 7"
