"""Writes unit files of systemd, in its syntax, and reads what `systemctl show` says of units.

The syntax is in systemd.syntax(7), the options in systemd.service(5), systemd.exec(5) and systemd.kill(5), the
properties in org.freedesktop.systemd1(5).
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent
from wnm.core.node import ProcessState

# Longer lines are refused by systemd, and with them the whole file.
LONGEST_LINE_BYTES = 1024 * 1024 - 1
_BY_NAME = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}


def quoted(text: str) -> str:
    """One word of a list of words, in double quotes: nothing in it separates, expands or ends the line.

    ValueError for what no word can hold: a NUL, or what is not Unicode text.
    """
    _require_text(text)
    return '"' + "".join(_escaped(char) for char in text) + '"'


def word(text: str) -> str:
    """The same, without quotes where none are needed."""
    return text if re.fullmatch(r"[A-Za-z0-9_+=:,./@-]+", text) else quoted(text)


def program(text: str) -> str:
    """The same for a program's path, which is not allowed to need escapes. ValueError if it does."""
    if not text.startswith("/") or text.endswith("/") or set(text) & set("\"'\\"):
        raise ValueError("it has to be an absolute path without quotes and backslashes")
    _require_visible(text)
    return word(text)


def optional_path(text: str) -> str:
    """The same for a path that may be missing, in a list of paths: only quotes and backslashes can be escaped."""
    _require_path(text)
    _require_visible(text)
    # The others would be written by their codes, which older versions do not know here.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f"-{text}" if word(text) == text else f'"-{escaped}"'


def bare_path(text: str) -> str:
    """A path that is the whole value, where nothing can be escaped but %. ValueError for what cannot stand there."""
    _require_path(text)
    _require_visible(text)
    if text != text.strip() or (len(text) - len(text.rstrip("\\"))) % 2:
        raise ValueError("it cannot end in a space or a backslash")
    return text.replace("%", "%%")


def environment(name: str, value: str) -> str:
    """One assignment for `Environment=`. ValueError for what systemd would leave out: it only warns of it."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("its name is not one")
    if any((char < " " and char not in "\t\n") or char == "\x7f" for char in value):
        raise ValueError("it holds a control character")
    return word(f"{name}={value}")


def unquoted(text: str) -> str | None:
    """Return the text that `quoted` was given; None if this is not its output."""
    inner = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', text)
    if inner is None:
        return None
    try:
        value = re.sub(_ESCAPE, _meant, inner[1])
        return value if quoted(value) == text else None
    except (KeyError, ValueError):
        return None


_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(.{8})|(.))|(%%)", re.DOTALL)
_MEANT = {escape[1]: char for char, escape in _BY_NAME.items()}


def _meant(found: re.Match[str]) -> str:
    if found[5]:
        return "%"
    number = found[1] or found[2] or found[3]
    return chr(int(number, 16)) if number else _MEANT[found[4]]


def _escaped(char: str) -> str:
    if char == "%":
        return "%%"
    if char in _BY_NAME:
        return _BY_NAME[char]
    if char == " " or char.isprintable():
        return char
    if ord(char) < 0x80:
        return f"\\x{ord(char):02x}"
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _require_text(text: str) -> None:
    for char in text:
        code = ord(char)
        noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
        if char == "\0" or noncharacter or 0xD800 <= code <= 0xDFFF:
            raise ValueError(f"it holds {char!a}")


def _require_visible(text: str) -> None:
    """Raise ValueError for a text that would need an escape where there is none."""
    _require_text(text)
    for char in text:
        if unicodedata.category(char) in ("Cc", "Zl", "Zp"):
            raise ValueError(f"it holds {char!a}")


def _require_path(text: str) -> None:
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError("it has to be an absolute path without ..")


type Scope = Literal["system", "user"]

SLICE = "wnm.slice"
MARKER = "# Written by wnm, which writes it again when it differs. Changes of yours belong into a drop-in."
BELONGS_TO = "# It belongs to "
BOOT_TARGET: dict[Scope, str] = {"system": "multi-user.target", "user": "default.target"}

SLICE_TEXT = """\
# Written by wnm because there was none, and never written again: put limits for all nodes together here.
[Unit]
Description=All nodes kept by wnm
StopWhenUnneeded=yes

[Slice]
"""

# These need no mount namespace and no privilege: a user's own manager cannot count on either, and a unit that asks
# for more than it can have does not start at all.
_SHUT_IN_ANYWHERE = (
    "NoNewPrivileges=yes",
    "RestrictSUIDSGID=yes",
    "RestrictRealtime=yes",
    "RestrictNamespaces=yes",
    "LockPersonality=yes",
    # Netlink tells a node which addresses the machine has.
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    # A call that a newer C library tries first fails then, instead of ending the node.
    "SystemCallErrorNumber=EPERM",
)
_SHUT_IN_BY_THE_SYSTEM = (
    "CapabilityBoundingSet=",
    "PrivateDevices=yes",
    "ProtectSystem=strict",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
)
_HOMES = ("/home", "/root", "/run/user")
_SCRATCH = ("/tmp", "/var/tmp")


def unit_text(unit: Unit, *, scope: Scope, behind_links: Collection[str] = ()) -> str:
    """The whole unit file. `behind_links` are further paths that the unit's own lead to through links.

    Permanent if systemd cannot express a value; no value can add an option or be expanded.
    """
    service_name(unit)
    sections = {
        "[Unit]": _about(unit, scope),
        "[Service]": [*_service(unit, scope), *_shut_in(unit, scope, behind_links)],
        "[Install]": [f"WantedBy={BOOT_TARGET[scope]}"],
    }
    head = f"{MARKER}\n{BELONGS_TO}{_expressed(unit, 'its folder', quoted, unit.working_dir)}\n"
    text = head + "".join(f"\n{name}\n" + "".join(f"{line}\n" for line in s) for name, s in sections.items())
    if any(len(line.encode()) > LONGEST_LINE_BYTES for line in text.splitlines()):
        raise Permanent(f"{unit.name}: a value is too long for systemd")
    return text


def service_name(unit: Unit) -> str:
    """Return the name of the unit's service and file. Permanent if the unit's name is more than a name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", unit.name):
        raise Permanent(f"{unit.name!r} cannot be the name of a unit: only letters, digits, - and _")
    return f"{unit.name}.service"


def owner(text: str) -> str | None:
    """The working directory of the unit for which wnm wrote this text; None if wnm did not write it."""
    marker, _, rest = text.partition("\n")
    belongs = rest.partition("\n")[0]
    if marker != MARKER or not belongs.startswith(BELONGS_TO):
        return None
    return unquoted(belongs.removeprefix(BELONGS_TO))


def _about(unit: Unit, scope: Scope) -> list[str]:
    online = ["Wants=network-online.target", "After=network-online.target"] if scope == "system" else []
    return [
        f"Description={unit.name}, kept by wnm",
        *online,
        # One that cannot stay up ends as failed, and is seen, after five times within ten minutes.
        "StartLimitIntervalSec=600",
        "StartLimitBurst=5",
    ]


def _service(unit: Unit, scope: Scope) -> list[str]:
    def value(what: str, write: Callable[[str], str], text: str) -> str:
        return _expressed(unit, what, write, text)

    words = [value("its program", program, unit.argv[0])]
    words += [value("an argument", word, argument) for argument in unit.argv[1:]]
    # The colon keeps every $ as it is, in the program's own path too, where doubling it would not.
    as_it_is = ":" if any("$" in argument for argument in unit.argv) else ""
    variables = dict(unit.environment)
    if scope == "system":
        # The account's own home is out of reach in there.
        variables = {"HOME": unit.working_dir} | variables
    log_file = value("its log", bare_path, unit.log_file)
    return [
        "Type=exec",
        f"ExecStart={as_it_is}{' '.join(words)}",
        f"WorkingDirectory={value('its folder', bare_path, unit.working_dir)}",
        *(f"Environment={_assignment(unit, name, text)}" for name, text in variables.items()),
        # The group is the one that the account has.
        *([f"User={_account(unit)}"] if unit.user and scope == "system" else []),
        # One that put a newer program in its place ends with code 0, and is to come back too.
        "Restart=always",
        "RestartSec=2",
        # Its own children, a successor too, end with it: systemd starts the next one.
        "KillMode=control-group",
        f"TimeoutStopSec={max(unit.stop_grace.total_seconds(), 0.001):.3f}",  # 0 would be for ever
        "StandardInput=null",
        f"StandardOutput=append:{log_file}",
        f"StandardError=append:{log_file}",
        f"SyslogIdentifier={unit.name}",
        f"Slice={SLICE}",
        "LimitNOFILE=65536",
        "UMask=0077",
        "OOMPolicy=stop",
    ]


def _shut_in(unit: Unit, scope: Scope, behind_links: Collection[str]) -> list[str]:
    if scope == "user":
        return list(_SHUT_IN_ANYWHERE)
    needed = {unit.argv[0], unit.working_dir, *unit.writable, *unit.read_only, *behind_links}
    in_scratch = _any_below(needed, _SCRATCH)
    writable = [unit.working_dir, *unit.writable, *(_SCRATCH if in_scratch else ())]
    return [
        *_SHUT_IN_ANYWHERE,
        *_SHUT_IN_BY_THE_SYSTEM,
        f"ProtectHome={'read-only' if _any_below(needed, _HOMES) else 'yes'}",
        # Scratch folders of its own would hide what it needs in the common ones.
        f"PrivateTmp={'no' if in_scratch else 'yes'}",
        *_paths(unit, "ReadWritePaths", writable),
        *_paths(unit, "ReadOnlyPaths", unit.read_only),
    ]


def _paths(unit: Unit, option: str, paths: Iterable[str]) -> list[str]:
    """One line a path. A missing one is the node's own trouble, and it can say so better than systemd."""
    return [f"{option}={_expressed(unit, 'a path', optional_path, path)}" for path in dict.fromkeys(paths)]


def _any_below(paths: Iterable[str], folders: tuple[str, ...]) -> bool:
    return any(f"{path}/".startswith(f"{folder}/") for path in paths for folder in folders)


def _account(unit: Unit) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", unit.user or ""):
        raise Permanent(f"{unit.name}: {unit.user!r} cannot be the name of an account")
    return unit.user or ""


def _assignment(unit: Unit, name: str, text: str) -> str:
    try:
        return environment(name, text)
    except ValueError as error:  # its value may be a secret
        raise Permanent(f"{unit.name}: the variable {name!a} cannot be given to systemd: {error}") from error


def _expressed(unit: Unit, what: str, write: Callable[[str], str], text: str) -> str:
    try:
        return write(text)
    except ValueError as error:
        raise Permanent(f"{unit.name}: {what} cannot be given to systemd: {error}: {text!a:.200}") from error


PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "MainPID",
    "ExecMainCode",
    "ExecMainStatus",
    "FragmentPath",
)
# Exit codes of systemd itself for a process whose program has not run, as systemd.exec(5) has them.
_BEFORE_IT_RAN: Mapping[int, str] = {
    200: "200/CHDIR (its folder cannot be entered)",
    203: "203/EXEC (it cannot be run)",
    209: "209/STDOUT (its log cannot be written)",
    216: "216/GROUP (there is no such group)",
    217: "217/USER (there is no such account)",
    218: "218/CAPABILITIES (its capabilities cannot be dropped)",
    226: "226/NAMESPACE (this machine cannot shut it in as its unit asks)",
    228: "228/SECCOMP (this machine cannot filter its system calls)",
}
_KILLED = (2, 3)  # CLD_KILLED and CLD_DUMPED in waitid(2)


class Shown(Struct, frozen=True, kw_only=True):
    """One unit. `pid` is None without a main process, `fragment` empty without a unit file."""

    id: str
    load: str
    active: str
    sub: str
    result: str
    pid: int | None
    code: int
    status: int
    fragment: str

    @property
    def state(self) -> ProcessState:
        """Return the process state, for a node that is to run without pause."""
        if self.active in ("active", "reloading", "refreshing", "deactivating"):
            return ProcessState.RUNNING
        if self.active == "activating" and not self.sub.startswith("auto-restart"):
            return ProcessState.RUNNING if self.pid else ProcessState.STOPPED
        return ProcessState.STOPPED if self.active == "inactive" else ProcessState.FAILED

    @property
    def ending(self) -> str:
        """Return how its last process ended, for people."""
        if self.code in _KILLED:
            return f"signal {self.status}"
        return f"code {_BEFORE_IT_RAN.get(self.status, self.status)}"


def read_units(text: str) -> tuple[Shown, ...]:
    """The units in the order in which they were asked for. ValueError if this is not such a text."""
    return tuple(_unit(block) for block in text.split("\n\n") if block.strip())


def _unit(block: str) -> Shown:
    said = dict(line.split("=", 1) for line in block.strip("\n").splitlines() if "=" in line)
    missing = [name for name in PROPERTIES if name not in said]
    if missing:
        raise ValueError(f"systemctl did not say {', '.join(missing)}")
    return Shown(
        id=said["Id"],
        load=said["LoadState"],
        active=said["ActiveState"],
        sub=said["SubState"],
        result=said["Result"],
        pid=int(said["MainPID"]) or None,
        code=int(said["ExecMainCode"]),
        status=int(said["ExecMainStatus"]),
        fragment=said["FragmentPath"],
    )
