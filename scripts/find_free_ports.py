"""Print a port_start and a metrics_port_start for a sandbox, such that nobody uses their first ports now."""

import socket
import sys

NODES = 10
"""The number of nodes that a sandbox has ports for, in case its cap is raised by hand."""

# Below the ports that systems hand out by themselves (32768 on Linux), away from the defaults (13, 55).
NODE_STARTS = range(21, 32)
METRICS_STARTS = range(14, 21)


def is_free(port: int, kind: socket.SocketKind) -> bool:
    """Whether a port can be bound on every address right now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def all_free(start: int) -> bool:
    """Whether the ports of the first nodes are free, for datagrams and streams."""
    ports = range(start * 1000 + 1, start * 1000 + NODES + 1)
    return all(is_free(port, kind) for port in ports for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))


def main() -> int:
    """Print both starts with a space between; returns the exit status (1: nothing is free)."""
    node_start = next(filter(all_free, NODE_STARTS), None)
    metrics_start = next(filter(all_free, METRICS_STARTS), None)
    if node_start is None or metrics_start is None:
        print("no free range of ports between 14001 and 31010: end what uses them", file=sys.stderr)
        return 1
    print(node_start, metrics_start)
    return 0


if __name__ == "__main__":
    sys.exit(main())
