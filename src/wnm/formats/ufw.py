"""Reads what ufw says of its rules, and which of them are ours (`ufw status numbered`, in English).

The numbered form is read because its lines can be told apart: a comment may hold any text, line ends included.
"""

import re
from collections.abc import Iterable

from msgspec import Struct

from wnm.core.decide.firewall import node_in_comment
from wnm.core.observation import FirewallReading, PortRule, Unseen

SWITCHED_OFF = "ufw is switched off, so no port needs to be opened"
OPENING = frozenset({"ALLOW", "LIMIT"})
_HEADING = re.compile(r"\s*(To +Action +From|-- +------ +----)?\s*")
_NUMBER = re.compile(r"\[ *([0-9]{1,9})\] ")
_RULE = re.compile(r"(.*?[^ ]) *? (ALLOW|DENY|REJECT|LIMIT) (IN|OUT|FWD) +([^ ].*?) *(?: \(([a-z, -]+)\))? *")
_UDP_PORT = re.compile(r"([1-9][0-9]{0,4})/udp( \(v6\))?")
# A failed call of iptables leaves this on stderr although ufw ends with code 0. Warnings of Python and of ufw,
# which are nothing to us, begin otherwise.
_LIVE_FAILURE = re.compile(
    r"^(?:ip6?tables\b|Another app is currently holding the xtables lock).*", re.MULTILINE
)


class UfwRule(Struct, frozen=True, kw_only=True):
    """A rule for one address family. `to` and `source` are as ufw writes them; `flags` is `log` and the like."""

    action: str
    direction: str
    to: str
    source: str
    flags: str | None = None
    comment: str | None = None

    @property
    def v6(self) -> bool:
        """Whether ufw marks it as a rule for IPv6."""
        return "(v6)" in self.to or "(v6)" in self.source

    @property
    def udp_port(self) -> int | None:
        """The port, if this is the very rule that `ufw allow PORT/udp` writes or, as ufw does, overwrites.

        ufw takes rules for the same one whatever their action, comment and logging; all the rest has to agree.
        """
        found = _UDP_PORT.fullmatch(self.to)
        anywhere = "Anywhere (v6)" if self.v6 else "Anywhere"
        if found is None or self.direction != "IN" or self.source != anywhere or bool(found[2]) != self.v6:
            return None
        port = int(found[1])
        return port if port <= 65535 else None

    @property
    def is_plain(self) -> bool:
        """Whether it does what wnm's rules do: it opens one UDP port for everybody and logs nothing."""
        return self.udp_port is not None and self.action == "ALLOW" and self.flags is None

    @property
    def is_own(self) -> bool:
        """Whether wnm wrote it: then it also names a node in wnm's words."""
        return self.is_plain and self.comment is not None and node_in_comment(self.comment) is not None


class UfwStatus(Struct, frozen=True, kw_only=True):
    """All rules that are in force; `note` says in a line why there are none to look after."""

    active: bool
    rules: tuple[UfwRule, ...] = ()
    note: str | None = None


def own_rule(port: int, comment: str, *, v6: bool) -> UfwRule:
    """The rule that wnm has for a port, in one family."""
    mark = " (v6)" if v6 else ""
    return UfwRule(
        action="ALLOW", direction="IN", to=f"{port}/udp{mark}", source=f"Anywhere{mark}", comment=comment
    )


def parse_status(text: str) -> UfwStatus | Unseen:
    """The output of `ufw status numbered`. Unseen if any of it is not understood: it may be about our ports."""
    # Not splitlines: comments may hold what only Unicode takes for the end of a line.
    head, *lines = text.removesuffix("\n").split("\n")
    if head == "Status: inactive" and not any(lines):
        return UfwStatus(active=False, note=SWITCHED_OFF)
    if head != "Status: active":
        return Unseen(reason=f"this is no status of ufw: {head[:80]!r}")
    entries: list[str] = []
    for line in lines:
        number = _NUMBER.match(line)
        if number is not None and int(number[1]) == len(entries) + 1:
            entries.append(line[number.end() :])
        elif entries:
            entries[-1] += f"\n{line}"  # the comment goes on
        elif not _HEADING.fullmatch(line[:200]):
            return Unseen(reason=f"not understood in the status of ufw: {line[:80]!r}")
    if entries:
        entries[-1] = entries[-1].removesuffix("\n")  # an empty line ends the list
    rules = []
    for place, entry in enumerate(entries, 1):
        # Nothing before the comment can hold this: not an address, an interface or the name of a profile.
        what, mark, comment = entry.partition(" # ")
        found = _RULE.fullmatch(what)
        if found is None:
            said = entry.partition("\n")[0]
            return Unseen(reason=f"rule {place} in the status of ufw is not understood: {said[:80]!r}")
        to, action, direction, source, flags = found.groups()
        rules.append(
            UfwRule(
                action=action,
                direction=direction,
                to=to,
                source=source,
                flags=flags,
                comment=comment if mark else None,
            )
        )
    return UfwStatus(active=True, rules=tuple(rules))


def reading_of(status: UfwStatus, *, ipv6: bool) -> FirewallReading:
    """Which ports are open by rules of ours and of others; `ipv6` says whether ufw looks after that family too."""
    own: dict[tuple[int, str], list[UfwRule]] = {}
    others = set()
    for rule in status.rules:
        port = rule.udp_port
        if port is None:
            continue
        if rule.is_own and rule.comment is not None:
            own.setdefault((port, rule.comment), []).append(rule)
        elif rule.action in OPENING:
            others.add(port)
    return FirewallReading(
        active=status.active,
        own=tuple(
            PortRule(port=port, comment=comment, whole=is_whole(rules, ipv6=ipv6))
            for (port, comment), rules in own.items()
        ),
        opened_by_others=frozenset(others),
        note=status.note,
    )


def is_whole(rules: Iterable[UfwRule], *, ipv6: bool) -> bool:
    """Whether the rules of a port are there for every family that ufw looks after."""
    families = {rule.v6 for rule in rules}
    return families >= ({False, True} if ipv6 else {False})


def looks_after_ipv6(*settings_files: str) -> bool:
    """Whether ufw looks after IPv6, by the texts of its settings files, in the order in which ufw reads them."""
    wanted = False
    for text in settings_files:
        for line in text.splitlines():
            # Exactly the lines that ufw itself takes for settings.
            if re.match(r'\w+="?\w+"?', line):
                key, value = line.strip().split("=")[:2]
                if key.lower() == "ipv6":
                    wanted = value.lower().strip("\"'") == "yes"
    return wanted


def live_failure(stderr: str) -> str | None:
    """Return why a rule was stored but is not in force; ufw ends with code 0 in this case too."""
    found = _LIVE_FAILURE.search(stderr)
    return found[0] if found else None
