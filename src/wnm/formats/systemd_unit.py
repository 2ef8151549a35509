"""Writes unit files of systemd, in its syntax, and reads what `systemctl show` says of units.

The syntax is in systemd.syntax(7), the options in systemd.service(5), systemd.exec(5) and systemd.kill(5), the
properties in org.freedesktop.systemd1(5).
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Literal

from msgspec import Struct, ValidationError, convert, field

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent
from wnm.core.node import ProcessState

# Longer lines are refused by systemd, and with them the whole file.
LONGEST_LINE_BYTES = 1024 * 1024 - 1
_BY_NAME = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"', "%": "%%"}


def quoted(text: str) -> str:
    """One word of a list of words, in double quotes: nothing in it separates, expands or ends the line.

    ValueError for what no word can hold: a NUL, or what is not Unicode text.
    """
    written = []
    for char in text:
        code = ord(char)
        noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
        if code == 0 or noncharacter or 0xD800 <= code <= 0xDFFF:
            raise ValueError(f"it holds {char!a}")
        if char in _BY_NAME:
            written.append(_BY_NAME[char])
        elif char == " " or char.isprintable():
            written.append(char)
        elif code < 0x80:
            written.append(f"\\x{code:02x}")
        else:
            written.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return f'"{"".join(written)}"'


def word(text: str) -> str:
    """The same, without quotes where none are needed."""
    return text if re.fullmatch(r"[A-Za-z0-9_+=:,./@-]+", text) else quoted(text)


def program(text: str) -> str:
    """The same for a program's path, which is not allowed to need escapes. ValueError if it does."""
    if not text.startswith("/") or text.endswith("/") or set(text) & set("\"'\\"):
        raise ValueError("it has to be an absolute path without quotes and backslashes")
    _require_visible(text)
    return word(text)


def bare_path(text: str) -> str:
    """A path that is the whole value, where nothing can be escaped but %. ValueError for what cannot stand there."""
    _require_visible(text, is_path=True)
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


def _optional_path(text: str) -> str:
    """A path that may be missing, in a list of paths: only quotes and backslashes can be escaped."""
    _require_visible(text, is_path=True)
    # The others would be written by their codes, which older versions do not know here.
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f"-{text}" if word(text) == text else f'"-{escaped}"'


def _require_visible(text: str, *, is_path: bool = False) -> None:
    """Raise ValueError for a text that would need an escape where there is none."""
    if is_path and (not text.startswith("/") or ".." in text.split("/")):
        raise ValueError("it has to be an absolute path without ..")
    quoted(text)
    for char in text:
        if unicodedata.category(char) in ("Cc", "Zl", "Zp"):
            raise ValueError(f"it holds {char!a}")


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
    lines = [
        MARKER,
        BELONGS_TO + _expressed(unit, "its folder", quoted, unit.working_dir),
        "",
        "[Unit]",
        f"Description={unit.name}, kept by wnm",
        *(("Wants=network-online.target", "After=network-online.target") if scope == "system" else ()),
        # One that cannot stay up ends as failed, and is seen, after five times within ten minutes.
        "StartLimitIntervalSec=600",
        "StartLimitBurst=5",
        "",
        "[Service]",
        *_service(unit, scope),
        *_SHUT_IN_ANYWHERE,
        *(_shut_in_by_the_system(unit, behind_links) if scope == "system" else ()),
        "",
        "[Install]",
        f"WantedBy={BOOT_TARGET[scope]}",
    ]
    if any(len(line.encode()) > LONGEST_LINE_BYTES for line in lines):
        raise Permanent(f"{unit.name}: a value is too long for systemd")
    return "".join(f"{line}\n" for line in lines)


def service_name(unit: Unit) -> str:
    """Return the name of the unit's service and file. Permanent if the unit's name is more than a name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", unit.name):
        raise Permanent(f"{unit.name!r} cannot be the name of a unit: only letters, digits, - and _")
    return f"{unit.name}.service"


def owner(text: str) -> str | None:
    """The working directory of the unit for which wnm wrote this text; None if wnm did not write it."""
    marker, _, rest = text.partition("\n")
    written = rest.partition("\n")[0].removeprefix(BELONGS_TO)
    if marker != MARKER or not rest.startswith(BELONGS_TO):
        return None

    def meant(found: re.Match[str]) -> str:
        number = found[1] or found[2] or found[3]
        return chr(int(number, 16)) if number else names[found[0]]

    names = {escape: char for char, escape in _BY_NAME.items()}
    try:
        folder = re.sub(r"\\(?:x(..)|u(....)|U(.{8})|.)|%%", meant, written[1:-1])
        return folder if quoted(folder) == written else None
    except (KeyError, ValueError, OverflowError):
        return None


def _service(unit: Unit, scope: Scope) -> list[str]:
    words = [_expressed(unit, "its program", program, unit.argv[0])]
    words += [_expressed(unit, "an argument", word, argument) for argument in unit.argv[1:]]
    # The colon keeps every $ as it is, in the program's own path too, where doubling it would not.
    as_it_is = ":" if any("$" in argument for argument in unit.argv) else ""
    # The account's own home is out of reach in there.
    variables = ({"HOME": unit.working_dir} if scope == "system" else {}) | dict(unit.environment)
    assignments = []
    for name, text in variables.items():
        try:
            assignments.append(f"Environment={environment(name, text)}")
        except ValueError as error:  # its value may be a secret
            raise Permanent(
                f"{unit.name}: the variable {name!a} cannot be given to systemd: {error}"
            ) from error
    if unit.user and scope == "system" and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", unit.user):
        raise Permanent(f"{unit.name}: {unit.user!r} cannot be the name of an account")
    log_file = _expressed(unit, "its log", bare_path, unit.log_file)
    return [
        "Type=exec",
        f"ExecStart={as_it_is}{' '.join(words)}",
        f"WorkingDirectory={_expressed(unit, 'its folder', bare_path, unit.working_dir)}",
        *assignments,
        # The group is the one that the account has.
        *([f"User={unit.user}"] if unit.user and scope == "system" else []),
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


def _shut_in_by_the_system(unit: Unit, behind_links: Collection[str]) -> list[str]:
    needed = {unit.argv[0], unit.working_dir, *unit.writable, *unit.read_only, *behind_links}
    in_homes, in_scratch = (
        any(f"{path}/".startswith(f"{folder}/") for path in needed for folder in folders)
        for folders in (_HOMES, _SCRATCH)
    )
    paths = {
        "ReadWritePaths": (unit.working_dir, *unit.writable, *(_SCRATCH if in_scratch else ())),
        "ReadOnlyPaths": unit.read_only,
    }
    return [
        *_SHUT_IN_BY_THE_SYSTEM,
        f"ProtectHome={'read-only' if in_homes else 'yes'}",
        # Scratch folders of its own would hide what it needs in the common ones.
        f"PrivateTmp={'no' if in_scratch else 'yes'}",
        # One line a path. A missing one is the node's own trouble, and it can say so better than systemd.
        *(
            f"{option}={_expressed(unit, 'a path', _optional_path, path)}"
            for option, each in paths.items()
            for path in dict.fromkeys(each)
        ),
    ]


def _expressed(unit: Unit, what: str, write: Callable[[str], str], text: str) -> str:
    try:
        return write(text)
    except ValueError as error:
        raise Permanent(f"{unit.name}: {what} cannot be given to systemd: {error}: {text!a:.200}") from error


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

    id: str = field(name="Id")
    load: str = field(name="LoadState")
    active: str = field(name="ActiveState")
    sub: str = field(name="SubState")
    result: str = field(name="Result")
    pid: int | None = field(name="MainPID")
    code: int = field(name="ExecMainCode")
    status: int = field(name="ExecMainStatus")
    fragment: str = field(name="FragmentPath")

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


PROPERTIES = Shown.__struct_encode_fields__


def read_units(text: str) -> tuple[Shown, ...]:
    """The units in the order in which they were asked for. ValueError if this is not such a text."""
    units = []
    for block in filter(str.strip, text.split("\n\n")):
        said = dict(line.split("=", 1) for line in block.strip("\n").splitlines() if "=" in line)
        if said.get("MainPID") == "0":
            said["MainPID"] = "null"  # which is None, where texts are converted
        try:
            units.append(convert(said, Shown, strict=False))
        except ValidationError as error:
            raise ValueError(f"systemctl did not say all of a unit: {error}") from error
    return tuple(units)
