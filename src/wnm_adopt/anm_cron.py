"""Lines of cron tables that start anm and its companions."""

import re

from msgspec import Struct

_ENTRY = re.compile(
    r"(?P<off>#[#\s]*+)?+(?P<when>@[a-z]+|(?:[0-9A-Za-z*/,~-]+[ \t]+){4}[0-9A-Za-z*/,~-]+)"
    r"[ \t]+(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?)[ \t]+(?P<command>\S.*)"
)
_STARTS_ANM = re.compile(r"(?<![\w.-])anms\.sh(?![\w.-])")
_LONGEST_LINE = 2000


class CronEntry(Struct, frozen=True, kw_only=True):
    """One line of a system's cron table. `live` is false for one that is commented out; `line` counts from 1."""

    user: str
    when: str
    command: str
    live: bool
    line: int

    @property
    def starts_anm(self) -> bool:
        """Whether it starts anm's script."""
        return _STARTS_ANM.search(self.command) is not None


class AnmCron(Struct, frozen=True, kw_only=True):
    """The lines that start anm."""

    entries: tuple[CronEntry, ...]

    @property
    def live(self) -> bool:
        """Whether cron starts anm."""
        return any(entry.live for entry in self.entries)

    @property
    def user(self) -> str | None:
        """Whom anm runs as, by its live lines or, if none is, by the others; None unless they all name the same."""
        users = {entry.user for entry in self.entries if entry.live or not self.live}
        return users.pop() if len(users) == 1 else None


def read_cron_entries(text: str) -> tuple[CronEntry, ...]:
    """The lines of a system's cron table that start something, those that are commented out too; never fails."""
    found: list[CronEntry] = []
    for number, piece in enumerate(text.split("\n"), 1):
        line = piece.strip()
        match = _ENTRY.fullmatch(line) if len(line) <= _LONGEST_LINE else None
        if match is not None:
            found.append(
                CronEntry(
                    user=match["user"],
                    when=match["when"],
                    command=match["command"],
                    live=match["off"] is None,
                    line=number,
                )
            )
    return tuple(found)


def read_anm_cron(text: str) -> AnmCron:
    """Those that start anm."""
    return AnmCron(entries=tuple(entry for entry in read_cron_entries(text) if entry.starts_anm))
