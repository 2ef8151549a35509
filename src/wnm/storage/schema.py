"""The schema's revisions, and what a cycle has to know of its tables; `schema.sql` beside it declares them."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct

APPLICATION_ID = 0x776E6D31
"""In the header of every database of ours: "wnm1"."""


class Schema(Struct, frozen=True, kw_only=True):
    """The revisions that the tables went through, oldest first, and the folder with the scripts between them."""

    revisions: tuple[str, ...]
    scripts: Path

    @property
    def head(self) -> str:
        return self.revisions[-1]


SCHEMA = Schema(
    revisions=("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011"),
    scripts=Path(__file__).with_name("migrations"),
)
HEAD = SCHEMA.head
TABLES_SQL = Path(__file__).with_name("schema.sql")


_PROSE = """
because binary_stamp binary_version boot_id channel error failed_version failure firewall_note former_version last_error
add_last_error note peer_id remedy rule subject text trial trial_failure version wnm_version
"""
PROSE = frozenset(_PROSE.split())
"""Columns with text for people: characters that UTF-8 cannot hold are written as escapes, never refused."""


@cache
def tables() -> Mapping[str, frozenset[str]]:
    """The tables of the newest revision with their columns, generated ones left out."""
    text = re.sub(r"^    \w+ \w+ GENERATED.*", "", TABLES_SQL.read_text(encoding="utf-8"), flags=re.M)
    ours = text.partition("CREATE TABLE alembic_version")[0]
    found = re.findall(r"^CREATE TABLE (\w+) \((.*?)^\);", ours, re.M | re.S)
    return {name: frozenset(re.findall(r'^    "?([a-z_0-9]+)', body, re.M)) for name, body in found}
