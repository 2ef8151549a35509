"""Reads facts of the machine and of the account that runs wnm, without starting any program."""

import os
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path

from wnm.core.host import Host, Platform


def host_facts(environ: Mapping[str, str], usable_cores: float) -> Host:
    """The facts that defaults depend on. HOME counts if it is absolute, else the account's own folder does.

    `program_kind` and `ufw_active` stay None: finding them out means starting a program.
    """
    account = _account()
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        home = account.pw_dir if account is not None else "/"
    home = home.rstrip("/") or "/"
    return Host(
        platform=_platform(),
        is_root=os.geteuid() == 0,
        user=account.pw_name if account is not None else str(os.geteuid()),
        home=home,
        environ=dict(environ),
        usable_cores=usable_cores,
        program=find_program("antnode", [f"{home}/.local/bin", *_path(environ)]),
    )


def find_program(name: str, folders: list[str]) -> str | None:
    """The first executable file of that name in the folders."""
    candidates = (f"{folder.rstrip('/')}/{name}" for folder in folders)
    return next((path for path in candidates if Path(path).is_file() and os.access(path, os.X_OK)), None)


def _path(environ: Mapping[str, str]) -> list[str]:
    # Relative entries are left out: what is found there depends on where wnm was started.
    return [folder for folder in environ.get("PATH", os.defpath).split(":") if folder.startswith("/")]


def _platform() -> Platform:
    return "darwin" if sys.platform == "darwin" else "linux"


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        return None
