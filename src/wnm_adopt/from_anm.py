"""Reads an installation of anm for `wnm --init --migrate_anm`, so that every part of it can be planned."""

import os
import pwd
import shlex
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from wnm.app.context import DATABASE_NAME, Context
from wnm.app.schedule import own_program
from wnm.core.errors import BadInput
from wnm.core.host import data_folder
from wnm_adopt.anm_files import read_cron_entries, read_node_details
from wnm_adopt.anm_places import (
    CONFIG,
    CRON,
    DATA,
    MARK,
    OF_USER,
    OTHER_UNITS,
    SCRIPT,
    SYSTEM_LOGS,
    UNITS,
    cron_tables,
    read_text,
    running_anms,
)
from wnm_adopt.anm_plan import AnmSeen, Companion, plan_from_anm
from wnm_adopt.anm_settings import AnmTexts
from wnm_adopt.discover import units_in
from wnm_adopt.found import SYSTEMD
from wnm_adopt.from_services import given_by_hand, surroundings
from wnm_adopt.plan import Source, TakeoverPlan
from wnm_adopt.takeover_folder import TakeoverFolder

TEXTS = {
    **{name: f"{DATA}/{name}" for name in ("config", "override", "system", "teardown_config", "counters")},
    "node_details": f"{DATA}/NodeDetails",
}
OTHER_FILES = (SCRIPT, f"{DATA}/MaxShunnedNode", f"{DATA}/block")
# Rules change for many reasons: undoing compares them, and takes away only what wnm has added.
FIREWALL = ("/etc/ufw/ufw.conf", "/etc/ufw/user.rules", "/etc/ufw/user6.rules")
REPORTING = "/etc/cron.d/influx_resources"
COMPANIONS = (REPORTING, "/etc/cron.d/scrape")
FIGURES = "/tmp/influx-resources"
USUAL_TIMES = "*/20 * * * *"


class FromAnm(Source):
    """The files, units and processes of anm."""

    name = "anm"
    switches_off = True
    noted = FIREWALL

    def __init__(self, run: Context) -> None:
        self._run = run

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Read all of anm's files and units, as text. BadInput if there is no anm here."""
        texts = {name: _text(path, folder) for name, path in TEXTS.items()}
        script, cron_text = _text(SCRIPT, folder), _text(CRON, folder)
        if cron_text is None and texts["config"] is None and script is None:
            raise BadInput(
                f"there is no anm here: {CRON}, {CONFIG} and {SCRIPT} are missing; leave out --migrate_anm"
            )
        units = units_in(UNITS, SYSTEMD, OTHER_UNITS, loaded=True)
        details = read_node_details(texts["node_details"] or "")
        home = _home_of(cron_text or "")
        return plan_from_anm(
            AnmSeen(
                texts=AnmTexts(script=script, **texts),
                cron_text=cron_text,
                units=units,
                around=replace(surroundings(units, self._run), node_details=details.nodes),
                tables=cron_tables(),
                companions=self._companions(folder),
                files=_files(home),
                program=_program_of(home),
                wallet_script=_wallet_script(home),
                firewall_active=self._run.wiring.firewall_is_active(),
                problems=details.problems,
                database=self._run.database_path,
                mark=read_text(MARK),
                not_ours=_not_ours(SYSTEM_LOGS),
            ),
            self._run.host,
            by_hand=given_by_hand(self._run),
            accept_defaults=self._run.asked.accept_defaults,
        )

    def running(self) -> Sequence[int]:
        """The runs of anm that are under way."""
        return running_anms()

    def _companions(self, folder: TakeoverFolder | None) -> Sequence[Companion]:
        """The collector of figures and the scraper of wallets that are there, each with what is wished for it."""
        wish = self._run.asked.companions or "leave"
        found = []
        for path in COMPANIONS:
            text = _text(path, folder)
            if text is not None:
                new = self._replacement(text) if wish == "replace" and path == REPORTING else None
                found.append(Companion(path=path, wish=wish, replacement=new))
        return found

    def _replacement(self, text: str) -> tuple[str, str]:
        """The file that has wnm's own report written where the collector wrote its figures, at the same times."""
        run = self._run
        times = next((entry.when for entry in read_cron_entries(text) if entry.live), USUAL_TIMES)
        words = [*own_program(), "--report", "influx-resources"]
        if run.database_path != f"{data_folder(run.host)}/{DATABASE_NAME}":
            words += ["--dbpath", run.database_path]
        # For cron a percent sign ends the command.
        command = shlex.join(words).replace("%", "\\%")
        return (
            "/etc/cron.d/wnm_influx_resources",
            "# Written by wnm --init --migrate_anm in the place of anm's; wnm --undo_migration takes it away.\n"
            f"{times} {run.host.user} /usr/bin/mkdir -p {FIGURES} && {command} > {FIGURES}/influx-resources.new && "
            f"/usr/bin/mv {FIGURES}/influx-resources.new {FIGURES}/influx-resources\n",
        )


def _text(path: str, folder: TakeoverFolder | None) -> str | None:
    """A file as it is, or as it was before it was moved away."""
    text = read_text(path)
    if text is None and folder is not None and path in folder.manifest.taken_out:
        content = folder.content(path)
        text = None if content is None else content.decode(errors="surrogateescape")
    return text


def _files(home: str | None) -> tuple[str, ...]:
    """Every file of anm's, and everything of its units: what undoing may have to put back."""
    units = Path(UNITS)
    found = [*OTHER_FILES, *TEXTS.values()]
    for path in sorted(units.glob("antnode*")):
        if path.is_dir() and not path.is_symlink():
            found += [str(each) for each in sorted(path.iterdir()) if each.is_file()]
        elif path.is_symlink() or path.is_file():
            found.append(str(path))
    for path in sorted(units.glob("antnode*.service")):
        found.append(str(units / "multi-user.target.wants" / path.name))
        found += [str(link) for link in sorted(units.glob(f"*.wants/{path.name}"))]
    return (*found, *_of_user(home))


def _of_user(home: str | None) -> list[str]:
    return [f"{home}/.local/share/{name}" for name in OF_USER] if home else []


def _not_ours(path: str) -> Sequence[str]:
    """The folder, if it is there and not root's alone: whoever can put a link there could have any file written."""
    try:
        seen = os.lstat(path)
    except OSError:
        return ()
    return [path] if stat.S_ISDIR(seen.st_mode) and (seen.st_uid != 0 or seen.st_mode & 0o022) else ()


def _home_of(cron_text: str) -> str | None:
    """The home folder of the account that anm runs as."""
    for entry in read_cron_entries(cron_text):
        if entry.starts_anm:
            with suppress(KeyError):
                return pwd.getpwnam(entry.user).pw_dir
    return None


def _wallet_script(home: str | None) -> str | None:
    """The operator's own script that chooses wallets, which only running it could tell the meaning of."""
    return next((path for path in _of_user(home)[:1] if os.path.lexists(path)), None)


def _program_of(home: str | None) -> str | None:
    """The program that anm gives to new nodes."""
    path = f"{home}/.local/bin/antnode" if home else None
    return path if path is not None and os.access(path, os.X_OK) else None
