"""What an older wnm wrote in its database, as plain values that nobody has judged yet."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

type OldValue = int | float | str | None
"""A value as SQLite holds it; blobs count as None."""


class OldMachine(Struct, frozen=True, kw_only=True):
    """The settings there, by the names of the latest older version, in the units that were meant.

    `delays_in` is the unit of the four delays, which the first version counted in minutes.
    """

    values: Mapping[str, OldValue]
    delays_in: Literal["seconds", "minutes"]


class OldNode(Struct, frozen=True, kw_only=True):
    """One row of a node. What is missing there, or is not of the right type, is None.

    `name` is as in the unit, `antnode0001`. `status` is the word there, `seen_at` when it was last written
    and `age` when the node was made, both in seconds since 1970.
    """

    id: int | None = None
    name: str | None = None
    service: str | None = None
    manager: str | None = None
    root_dir: str | None = None
    port: int | None = None
    metrics_port: int | None = None
    wallet: str | None = None
    network: str | None = None
    version: str | None = None
    peer_id: str | None = None
    status: str | None = None
    seen_at: int | None = None
    age: int | None = None


class OldColony(Struct, frozen=True, kw_only=True):
    """A whole database. `version_hint` says which versions made tables of this form; `machine` is None where
    `wnm --init` of the older version failed half-way.
    """

    version_hint: str
    machine: OldMachine | None
    nodes: tuple[OldNode, ...]
