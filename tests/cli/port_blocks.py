"""Blocks of a thousand ports that nobody else uses: another worker, another test run, or the machine itself."""

import socket
import time
from contextlib import suppress

PORTS = 1000
# An id that no test reaches: the socket that is bound there keeps the whole block, and the kernel frees it.
KEEPER = 999
NODES = 40
PATIENCE_SECONDS = 120
# Outside of what systems hand out by themselves (32768 to 60999 on Linux).
CANDIDATES: tuple[int, ...] = (*range(2, 14), *range(61, 65), *range(31, 13, -1))


class PortBlocks:
    """The blocks that one test has to itself until it frees them."""

    def __init__(self) -> None:
        self._keepers: list[socket.socket] = []

    def reserve(self) -> int:
        """The thousands of a block in which the ports of all nodes are free; waits while there is none."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for block in CANDIDATES:
                if self._keep(block):
                    return block
            time.sleep(0.2)
        raise AssertionError(f"no block of {NODES} free ports within {PATIENCE_SECONDS} s")

    def free(self) -> None:
        """Let others have them."""
        while self._keepers:
            self._keepers.pop().close()

    def _keep(self, block: int) -> bool:
        keeper = socket.socket()
        try:
            keeper.bind(("127.0.0.1", block * PORTS + KEEPER))
        except OSError:
            keeper.close()
            return False
        if all(is_free(block * PORTS + node_id) for node_id in range(1, NODES + 1)):
            self._keepers.append(keeper)
            return True
        keeper.close()
        return False


def is_free(port: int) -> bool:
    """Whether a node could bind the port, for datagrams and for streams."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            # Connections that have ended and only wait for late packets are in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind is socket.SOCK_STREAM)
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
