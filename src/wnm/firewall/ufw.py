"""Opens nodes' ports in the firewall of Ubuntu and Debian: `ufw allow`, each under a comment that names its node.

While ufw is switched off nothing is done: it does not show its rules then. The first cycle after it was switched
on opens what is missing.
"""

import os
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Lock

from wnm.core.decide.firewall import node_in_comment
from wnm.core.errors import NeedsOperator, Permanent, Transient, WnmError
from wnm.core.node import id_in_name
from wnm.core.observation import FirewallReading, Unseen
from wnm.formats.ufw import (
    OPENING,
    UfwStatus,
    is_whole,
    live_failure,
    looks_after_ipv6,
    own_rule,
    parse_status,
    reading_of,
)
from wnm.system.command import CommandFailed, Completed, run

NOT_INSTALLED = "ufw is not installed, so no port needs to be opened"
SETTINGS_FILES = ("/etc/default/ufw", "/etc/ufw/ufw.conf")
# A change takes 0.2 s on a server and some seconds on a small board. Ending ufw in the middle of one may leave a
# rule that is written down but not in force, so it gets much longer than it needs.
CHANGE_TIMEOUT = timedelta(seconds=20)
READ_TIMEOUT = timedelta(seconds=10)


class UfwFirewall:
    """Implements `wnm.core.contracts.Firewall` by ufw.

    `ufw` is the program, by name or path. `settings_files` are those in which ufw finds out whether it looks
    after IPv6. The result of `read` is kept, and kept up to date with own changes, until the next `read`.
    """

    name = "ufw"

    def __init__(
        self,
        ufw: str = "ufw",
        *,
        settings_files: tuple[str, ...] = SETTINGS_FILES,
        read_timeout: timedelta = READ_TIMEOUT,
        change_timeout: timedelta = CHANGE_TIMEOUT,
    ) -> None:
        self._ufw = ufw
        self._settings_files = settings_files
        self._read_timeout = read_timeout
        self._change_timeout = change_timeout
        # Also because ufw reads its rules before it takes its own lock: two at once would lose a change.
        self._lock = Lock()
        self._ipv6 = False
        self._seen: UfwStatus | WnmError | None = None
        self._kept: list[str] | None = None

    def read(self) -> FirewallReading | Unseen:
        """All rules, by one call of ufw. Inactive with a note where ufw is switched off or not installed."""
        with self._lock:
            self._seen = None
            try:
                return reading_of(self._known(), ipv6=self._ipv6)
            except WnmError as error:
                return Unseen(reason=str(error))

    def open_port(self, port: int, comment: str) -> None:
        """Return when the port is open for UDP. NeedsOperator if somebody's rule says that it shall not be."""
        _check(port, comment)
        with self._lock:
            seen = self._known()
            there = [rule for rule in seen.rules if rule.udp_port == port]
            others = [rule for rule in there if not rule.is_plain or rule.comment != comment]
            for rule in others:
                if rule.action not in OPENING:
                    words = [rule.action.lower(), *([rule.flags] if rule.flags else []), f"{port}/udp"]
                    raise NeedsOperator(
                        f"a rule of ufw that is not ours keeps UDP port {port} shut",
                        remedy=f"sudo ufw delete {' '.join(words)}",
                    )
            # ufw takes rules of the same port for one: it would put our comment in place of theirs.
            if not seen.active or others or is_whole(there, ipv6=self._ipv6):
                return
            if failure := live_failure(self._change("allow", port, comment).stderr):
                # Written down, shown as if it were in force, and not. Deleting makes ufw load all rules anew.
                self._change("delete allow", port, comment)
                raise Transient(f"ufw could not open UDP port {port}: {failure}")
            missing = {False, self._ipv6} - {rule.v6 for rule in there}
            added = tuple(own_rule(port, comment, v6=v6) for v6 in sorted(missing))
            self._seen = UfwStatus(active=True, rules=(*seen.rules, *added))

    def close_port(self, port: int, comment: str) -> None:
        """Return when no rule with this comment opens the port, also once ufw is switched on again.

        The comment is one of ours, or the bare name of a node that was taken over with its rule.
        """
        _check(port, comment, closing=True)
        with self._lock:
            seen = self._known()
            if not seen.active:
                # The status says nothing then, but the rules are kept, and would be in force again one day.
                program = _find(self._ufw)
                if program is None:
                    return
                if self._kept is None:
                    told = _call(program, "show", "added", timeout=self._read_timeout).stdout
                    self._kept = told.splitlines()
                begin, end = "ufw allow ", f" comment '{comment}'"
                if any(line.startswith(begin) and line.endswith(end) for line in self._kept):
                    self._change("delete allow", port, comment)
                    self._seen = seen
                return
            staying = tuple(
                rule
                for rule in seen.rules
                if not rule.is_plain or (rule.udp_port, rule.comment) != (port, comment)
            )
            if len(staying) < len(seen.rules):
                # With the comment, ufw leaves the rule alone if it is no longer the one that was seen.
                self._change("delete allow", port, comment)
                self._seen = UfwStatus(active=True, rules=staying)

    def _known(self) -> UfwStatus:
        """All rules as they were read last, else as they are now. An error is remembered until the next `read`."""
        if self._seen is None:
            self._kept = None
            try:
                # Before the rules: when it changes in between, a rule counts as half and is completed.
                texts = []
                for file in self._settings_files:
                    with suppress(OSError):  # ufw itself would not work without its own
                        texts.append(Path(file).read_text(encoding="utf-8", errors="replace"))
                self._ipv6 = looks_after_ipv6(*texts) and Path("/proc/sys/net/ipv6").exists()
                self._seen = _status(self._ufw, self._read_timeout)
            except WnmError as error:
                self._seen = error
        if isinstance(self._seen, WnmError):
            raise self._seen
        return self._seen

    def _change(self, verb: str, port: int, comment: str) -> Completed:
        program = _find(self._ufw)
        if program is None:
            raise Transient("ufw was here a moment ago and is gone")
        self._seen = None  # and so it stays if this fails: then nobody knows
        words = (*verb.split(), f"{port}/udp", "comment", comment)
        return _call(program, *words, timeout=self._change_timeout)


def _status(ufw: str, timeout: timedelta) -> UfwStatus:
    program = _find(ufw)
    if program is None:
        return UfwStatus(active=False, note=NOT_INSTALLED)
    status = parse_status(_call(program, "status", "numbered", timeout=timeout).stdout)
    if isinstance(status, Unseen):
        raise Transient(status.reason)
    return status


def ufw_active(ufw: str = "ufw") -> bool | None:
    """Whether ufw is switched on; None if it is not installed. NeedsOperator or Transient if it does not say."""
    return None if _find(ufw) is None else _status(ufw, READ_TIMEOUT).active


def _check(port: int, comment: str, *, closing: bool = False) -> None:
    """Permanent for what ufw would not take, or take for something else, or we would not know again."""
    if not 1 <= port <= 65535:
        raise Permanent(f"{port} is no port")
    if node_in_comment(comment) is None and not (closing and id_in_name(comment) is not None):
        raise Permanent(f"not the comment of a node's firewall rule: {comment[:80]!r}")


def _path() -> str:
    # Neither cron nor every account has the folders of the administrator's programs on its PATH.
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _find(ufw: str) -> str | None:
    return shutil.which(ufw, path=_path())


def _call(program: str, *words: str, timeout: timedelta) -> Completed:
    # ufw is a Python program and takes LANGUAGE for more than LC_ALL; nothing of our own Python may reach it.
    environment = {"PATH": _path(), "LC_ALL": "C", "LANGUAGE": "C"}
    try:
        return run((program, *words), timeout, environment)
    except CommandFailed as error:
        if "need to be root" in error.stderr:
            raise NeedsOperator(
                "only root may use ufw", remedy="run wnm as root, or give --firewall null"
            ) from error
        raise
