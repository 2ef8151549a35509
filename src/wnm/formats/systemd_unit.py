"""Unit files of systemd: what a node runs under, so shut in that it cannot harm the machine or other nodes.

Options are explained in systemd.service(5), systemd.exec(5) and systemd.kill(5).
"""

import re
from collections.abc import Callable, Collection, Iterable
from typing import Literal

from wnm.core.contracts import Unit
from wnm.core.errors import Permanent
from wnm.formats.systemd_syntax import (
    LONGEST_LINE_BYTES,
    bare_path,
    environment,
    optional_path,
    program,
    quoted,
    unquoted,
    word,
)

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

# What needs no mount namespace and no privilege: a user's own manager cannot count on either, and a unit that asks
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
    """What systemd calls it, and its file. Permanent if its name is more than a name."""
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
        # What it started itself, a successor too, ends with it: systemd starts the next one.
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
