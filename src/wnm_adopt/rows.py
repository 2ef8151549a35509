"""Rows of nodes that are taken over."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise, product

from msgspec.structs import replace

from wnm.core.node import Node, ProcessState, Status
from wnm.core.observation import ProcessReading, Unseen
from wnm.node_kinds.kinds import KINDS
from wnm_adopt.judge import Adoption

BECAUSE = "taken over"
_GIVEN_TO_EVERY_NODE = (("--max-log-files", "3"), ("--max-archived-log-files", "3"))


def row_of(adoption: Adoption, *, now: datetime, born: datetime | None) -> Node:
    """The node as it was found; nothing is known yet of whether it runs. `born` is the age of its identity."""
    return Node(
        id=adoption.id,
        name=adoption.name,
        kind=adoption.kind,
        manager=adoption.manager,
        root_dir=adoption.root_dir,
        log_dir=adoption.log_dir,
        program=adoption.program,
        command=adoption.command,
        port=adoption.port,
        metrics_port=adoption.metrics_port,
        wallet=adoption.wallet,
        born=born or now,
        environment=adoption.environment,
        start_args=adoption.start_args,
        no_upnp=adoption.no_upnp,
        user=adoption.user,
        status=Status.STOPPED,
        status_since=now,
        because=BECAUSE,
        peer_id=adoption.peer_id,
        version=adoption.version,
    )


def is_running(reading: ProcessReading | Unseen | None) -> bool:
    """Whether a node counts as running: one that cannot be seen does, since nobody said that it had stopped."""
    if isinstance(reading, ProcessReading):
        return reading.state in (ProcessState.RUNNING, ProcessState.UNKNOWN)
    return True


def as_our_own(row: Node) -> Node:
    """The row of a node whose unit wnm wrote itself: with what it was made from, if that gives the same command line.

    Else it stays one with the command line that was found.
    """
    kind = KINDS[row.kind]
    environment = tuple(pair for pair in row.environment if pair != ("HOME", row.root_dir))
    for arguments in _possible_arguments(row.start_args):
        made = replace(row, command=None, start_args=arguments, environment=environment)
        for supervised in (False, True):
            if kind.command_line(made, supervised=supervised) == (row.program, *(row.command or ())):
                return made
    return row


def _possible_arguments(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What may have been given for the node, if some of these words are what wnm gives to every node."""
    defaults = [pair for pair in _GIVEN_TO_EVERY_NODE if pair in pairwise(words)]
    for taken in product((False, True), repeat=len(defaults)):
        left = [word for word in words if word != "--stop-on-upgrade"]
        for pair, without in zip(defaults, taken, strict=True):
            if without:
                place = left.index(pair[0])
                del left[place : place + 2]
        yield tuple(left)
