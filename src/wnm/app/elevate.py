"""Passes an ordinary user's run over services of the whole system to one process under `sudo -n`.

sudo is asked once and for exactly one command line, the one that a line of sudoers can allow. The input of wnm
goes along as data, so that nothing of the user's environment decides what runs as root.
"""

import json
import os
import pwd
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from posixpath import dirname
from shutil import which

from msgspec import Struct

from wnm.app.context import Context, Wiring
from wnm.app.invocation import Command, Invocation, Report
from wnm.core import codec
from wnm.core.backends import ALIASES, traits_of
from wnm.core.errors import BadInput, NeedsOperator, Transient
from wnm.core.host import Host
from wnm.core.layers import Layer
from wnm.core.settings import SPECS
from wnm.storage.database import stored_settings
from wnm.system.command import CommandFailed, run_attached

SUDO_FOLDERS = "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin"
MODULE = "wnm.cli.elevated"
# sudo itself ends with 1 when it refuses, so what wnm ends with is moved out of the way.
CODE_OFFSET = 100
LARGEST_HANDOVER = 1_000_000
# The cycle itself measures its time; this is for a sudo that hangs.
BEYOND_THE_CYCLE = timedelta(seconds=10)
DEFAULT_CYCLE = timedelta(seconds=50)


def needs_root(context: Context) -> bool:
    """Whether this run changes services of the whole system and does not have the right to."""
    if context.host.is_root or os.geteuid() == 0 or context.host.platform != "linux":
        return False
    stored = stored_settings(context.database_path)
    return traits_of(stored.get("process_manager")).system_services


def act_as_root(context: Context, *, patience: timedelta | None = None) -> Report:
    """Run it under sudo on our output; only its exit code is left to report.

    `patience` is how long it may take, else what a cycle may. NeedsOperator, with the line to add, if sudo refuses.
    """
    try:
        code, refusal = run_attached(
            (which_sudo(), "-n", "--", *elevated_command()),
            input_text=written(context),
            timeout=patience or _cycle_timeout(context) + BEYOND_THE_CYCLE,
            held_back="sudo: ",
        )
    except CommandFailed as error:
        raise NeedsOperator(f"sudo cannot be used: {error}", remedy="see what sudo -n true says") from error
    if code < 0:
        raise Transient(f"the part of the cycle that runs as root was ended by signal {-code}")
    if 0 < code < CODE_OFFSET:
        raise NeedsOperator(
            f"sudo -n was refused ({refusal or f'exit code {code}'}), and nodes are services of the system",
            remedy="allow this in sudoers with `sudo visudo -f /etc/sudoers.d/wnm`: "
            + sudoers_line(context.host.user),
        )
    return Report(exit_code=max(0, code - CODE_OFFSET))


def which_sudo() -> str:
    """The path of sudo, in the folders of the system only. NeedsOperator if there is none."""
    sudo = which("sudo", path=SUDO_FOLDERS)
    if sudo is None:
        raise NeedsOperator(
            "nodes are services of the system, which only root may change, and there is no sudo here",
            remedy="install sudo, or run wnm as root",
        )
    return sudo


def elevated_command(python: str = sys.executable) -> tuple[str, ...]:
    """The one command line that runs as root; isolated, so that no folder or variable of the user's adds code."""
    return (python, "-I", "-m", MODULE)


def sudoers_line(user: str, python: str = sys.executable) -> str:
    """The line of sudoers that allows it."""
    command = shlex.join(elevated_command(python))
    escaped = "".join(f"\\{char}" if char in ",:=\\" else char for char in command)
    return f"{user} ALL=(root) NOPASSWD: {escaped}"


class _Handover(Struct, frozen=True, kw_only=True):
    """A run as it is handed over: all of a context that is data."""

    asked: Invocation
    layers: tuple[Layer, ...]
    host: Host
    began: float


def written(context: Context) -> str:
    """The run as text for the other process, in ASCII, which it reads whatever its locale is."""
    handover = _Handover(asked=context.asked, layers=context.layers, host=context.host, began=context.began)
    return json.dumps(codec.encode(handover))


def read(text: str, wiring: Wiring) -> Context:
    """The run that `written` wrote. BadInput if it is none."""
    try:
        found = codec.from_json(_Handover, text)
    except BadInput as error:
        raise BadInput(f"{MODULE} is started by wnm itself, which tells it what to do ({error})") from None
    began = min(found.began, time.monotonic())
    return Context(asked=found.asked, layers=found.layers, host=found.host, began=began, wiring=wiring)


def _cycle_timeout(context: Context) -> timedelta:
    """Return the value given for this run, else the stored one; `resolve` refuses an invalid text later."""
    stored = Layer(name="", values=stored_settings(context.database_path))
    text = _given("cycle_timeout", (*context.layers, stored))
    try:
        found: timedelta = SPECS["cycle_timeout"].form.read(text or "", context.host)
    except ValueError:
        return DEFAULT_CYCLE
    return found


def _given(name: str, layers: Sequence[Layer]) -> str | None:
    return next((layer.values[name] for layer in layers if name in layer.values), None)


def owner_of(user: str) -> tuple[int, int]:
    """The user and group ids that what is made for this user has to have. BadInput if there is no such account."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise BadInput(f"there is no account {user}") from None
    return entry.pw_uid, entry.pw_gid


# A run of anm may take minutes, and its end is waited for.
PATIENCE = timedelta(minutes=15)


def lacks_rights(context: Context) -> bool:
    """Whether this run is about services of the whole system, and this process may not change those."""
    if os.geteuid() == 0 or context.host.platform != "linux":
        return False
    if context.asked.command is Command.UNDO_MIGRATION:
        from wnm_adopt.takeover_folder import PREFIX

        # Only root can read a takeover that root has made.
        folders = Path(dirname(context.database_path)).glob(f"{PREFIX}*")
        return needs_root(context) or any(folder.lstat().st_uid == 0 for folder in folders)
    manager = _given("process_manager", context.layers)
    return context.asked.migrate_anm or traits_of(ALIASES.get(manager or "", manager)).system_services


def hand_over(context: Context) -> int:
    """Have root do it. The folder of the database is the account's own, so it is made here."""
    folder = Path(dirname(context.database_path))
    if not context.asked.dry_run:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise NeedsOperator(
                f"{folder} cannot be made ({error.strerror})",
                remedy="see who may write there, or give --dbpath",
            ) from error
    return act_as_root(context, patience=PATIENCE).exit_code
