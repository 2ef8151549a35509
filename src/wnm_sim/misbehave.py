"""Reads from `misbehave.json` what a simulated node is ordered to do wrong, while it runs."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

FILE_NAME = "misbehave.json"
ENVIRONMENT_NAME = "SIMULATED_NODE_MISBEHAVE"
VERSION_REFUSALS = ("", "hang", "exit")
METRICS_MODES = ("ok", "hang", "drip", "lie", "garbage", "refuse", "huge", "error500")


class Behaviour(NamedTuple):
    """Orders to a node; the defaults are a node that does everything right."""

    slow_start_seconds: float = 0  # the metrics port opens only this long after the start
    exit_after_seconds: float | None = None  # it stops by itself so long after this order was read
    exit_code: int = 1
    exit_reason: str = "HardDiskWriteError"
    crash_loop: bool = False  # it stops with code 1 as soon as it has started
    critical_failure: str = ""  # it leaves this reason as a node does that ends itself, and goes on
    ignore_term: bool = False  # it goes on after SIGTERM and SIGINT
    metrics: str = (
        "ok"  # how its pages answer, one of METRICS_MODES; `lie` claims `lie_version`, in a log too
    )
    lie_version: str = "0.0.1"
    connected_peers: int | None = None  # a figure on its pages, as the next three
    shunned_by_close_group: int = 0
    min_node_version: str = ""
    rewards_attos: int | None = None
    shunned_per_hour: float = 0  # peers shun it so often from its start on; its pages tell by time frames
    stores_nothing: bool = False  # its store does not grow
    stores_every_seconds: float = 10
    refuse_flags: tuple[str, ...] = ()  # flags that it does not know, as an older or a newer version may not
    # Asked for `--version` it says nothing, for ever or with code 1; one of VERSION_REFUSALS. Only where it was
    # built in: nobody says then which node is meant.
    refuse_version: str = ""
    fill_disk_bytes_per_second: int = 0
    use_cpu_percent: float = 0  # of one core
    use_memory_bytes: int = 0
    self_upgrade_to: str = ""  # a newer program to put in the place of its own; then it restarts
    self_upgrade_restart_after_seconds: float = 0


GOOD = Behaviour()


def _amount(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _whole(value: object) -> bool:
    return isinstance(value, int) and _amount(value)


_BY_TYPE: dict[object, Callable[[object], bool]] = {
    bool: lambda value: isinstance(value, bool),
    str: lambda value: isinstance(value, str),
    int: _whole,
    int | None: _whole,
    float: _amount,
    float | None: _amount,
    tuple[str, ...]: lambda value: isinstance(value, list) and all(str(flag)[:1] == "-" for flag in value),
}
_BY_NAME: dict[str, Callable[[object], bool]] = {
    "exit_code": lambda value: _whole(value) and value in range(256),
    "metrics": lambda value: value in METRICS_MODES,
    "stores_every_seconds": lambda value: _amount(value) and value != 0,
    "refuse_version": lambda value: value in VERSION_REFUSALS,
}


def parse_behaviour(text: str, base: Behaviour = GOOD) -> tuple[Behaviour, tuple[str, ...]]:
    """The behaviour that a JSON object orders, and its keys that mean nothing; `base` is what it leaves open.

    Raises ValueError when the text is no JSON object or a value is impossible.
    """
    orders = json.loads(text)
    if not isinstance(orders, dict):
        raise ValueError("it is not a JSON object")
    known = {key: value for key, value in orders.items() if key in Behaviour._fields}
    for key, value in known.items():
        check = _BY_NAME.get(key) or _BY_TYPE[Behaviour.__annotations__[key]]
        if not check(value):
            raise ValueError(f"{key} cannot be {value!r}")
    if "refuse_flags" in known:
        known["refuse_flags"] = tuple(known["refuse_flags"])
    return base._replace(**known), tuple(key for key in orders if key not in known)


class BehaviourFile:
    """The orders in one file, read again whenever it changes.

    While the file is missing, the variable SIMULATED_NODE_MISBEHAVE holds (JSON text, may be empty). What
    neither says is as `built_in` has it. Text that cannot be understood leaves the last orders in force and is
    reported to `complain`.
    """

    def __init__(self, path: Path, built_in: Behaviour, *, complain: Callable[[str], None]) -> None:
        self._path = path
        self._built_in = built_in
        self._complain = complain
        self._initial = self._parsed(os.environ.get(ENVIRONMENT_NAME, ""), ENVIRONMENT_NAME, built_in)
        self._stamp: tuple[int, int, int] | None = None
        self.current = self._initial

    def refresh(self) -> bool:
        """Look at the file; True when it has changed since the last look."""
        try:
            found = self._path.stat()
            stamp = found.st_ino, found.st_size, found.st_mtime_ns
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        if stamp is None:
            self.current = self._initial
            return True
        try:
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            self._complain(f"{self._path} cannot be read: {problem}")
            return False
        # An empty file is one that its writer has only just opened.
        self.current = self._parsed(text, str(self._path), self.current)
        return True

    def _parsed(self, text: str, source: str, otherwise: Behaviour) -> Behaviour:
        if not text.strip():
            return otherwise
        try:
            behaviour, unknown = parse_behaviour(text, self._built_in)
        except ValueError as problem:
            self._complain(f"{source} is left aside: {problem}")
            return otherwise
        for key in unknown:
            self._complain(f"{source} has an unknown key: {key}")
        return behaviour
