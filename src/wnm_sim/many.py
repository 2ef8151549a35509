"""Serves the metrics pages of many nodes from one process, for measuring what a survey costs."""

import argparse
import selectors
import signal
import sys
import time
from collections.abc import Sequence

from wnm_sim.misbehave import METRICS_MODES
from wnm_sim.page_server import Answer, PageServer, answer
from wnm_sim.pages import Vitals, page
from wnm_sim.programs import Antnode, peer_id, peer_number

_HOST = "127.0.0.1"
_TICK_SECONDS = 0.2
_LIE_VERSION = "0.0.1"


def answering(port: int, version: str, mode: str) -> Answer:
    """The replies of one node among many; its figures follow from its port and its age."""
    key, started = port.to_bytes(32, "big"), time.monotonic()

    def text(path: str) -> str | None:
        age = int(time.monotonic() - started)
        seen = Vitals(
            seed=peer_number(key) % 1_000_003,
            version=_LIE_VERSION if mode == "lie" else version,
            peer_id=peer_id(key),
            uptime_seconds=age,
            records=4 + age // 10,
            memory_megabytes=90 + port % 30,
            cpu_percent=0.25,
        )
        return page(path, seen)

    return lambda path: answer(path, mode, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; prints one line when all ports answer.

    Returns 0 after a signal, 1 when a port is taken, 2 (by argparse) for wrong usage.
    """
    asked = _parser().parse_args(argv)
    selector = selectors.DefaultSelector()
    modes = dict(asked.misbehave)
    servers = []
    for port in asked.metrics_ports:
        mode = modes.get(port, "ok")
        servers.append(PageServer(selector, answering(port, asked.version, mode)))
        if mode != "refuse":
            try:
                servers[-1].listen(_HOST, port)
            except OSError as problem:
                print(f"cannot listen on TCP {_HOST}:{port}: {problem.strerror}", file=sys.stderr)
                return 1
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    print(f"ready: {len(servers)} metrics pages", flush=True)
    while not stopping:
        for key, events in selector.select(_TICK_SECONDS):
            key.data(events)
    return 0


def parse_ports(text: str) -> list[int]:
    """The ports in a text like `13001-13200` or `13001,13005-13007`, ascending, each once.

    Raises ValueError for anything else and for ports outside 1 to 65535.
    """
    ports: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        ports.update(range(int(first), int(last or first) + 1))
    if not ports or min(ports) < 1 or max(ports) > 65535:
        raise ValueError(f"no ports between 1 and 65535: {text}")
    return sorted(ports)


def _misbehaviour(text: str) -> tuple[int, str]:
    port, _, mode = text.partition("=")
    if mode not in METRICS_MODES:
        raise ValueError(f"not one of {', '.join(METRICS_MODES)}: {mode}")
    return int(port), mode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m wnm_sim.many", description=__doc__)
    add = parser.add_argument
    add(
        "--metrics-ports",
        required=True,
        type=parse_ports,
        metavar="13001-13200",
        help="one node on each port",
    )
    add("--version", default=Antnode.default_version, help="the version they all report")
    modes = f"one port answers badly: {', '.join(METRICS_MODES)}; may be repeated"
    add("--misbehave", action="append", default=[], type=_misbehaviour, metavar="PORT=MODE", help=modes)
    root_dir = "a node that this process passes for in the process table; may be repeated"
    add("--root-dir", action="append", metavar="PATH", help=root_dir)
    return parser


if __name__ == "__main__":
    sys.exit(main())
