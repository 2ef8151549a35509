"""Asking nodes for their pages: whom, and what came back."""

from wnm.core.node import Reachability
from wnm.core.values import Value


class Target(Value, frozen=True, kw_only=True):
    """A node to ask: its id, and where its metrics server listens. `host` is an address or a name."""

    id: int
    host: str
    port: int


class Answer(Value, frozen=True, kw_only=True):
    """What a node's metrics port said. The texts are whole pages, None where a page did not come whole.

    ANSWERS: at least one page came; what it says is another question. TIMES_OUT: nothing whole in time.
    REFUSES: the port is closed, or what listens there does not answer as a metrics server does.
    `error` says what went wrong with the pages that are None.
    """

    reachable: Reachability
    metadata: str | None = None
    metrics: str | None = None
    error: str | None = None
