"""Reads an installation of anm for `wnm --init --migrate_anm`, so that every part of it can be planned."""

import os
import pwd
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from wnm.app.context import DATABASE_NAME, Context
from wnm.app.schedule import own_program
from wnm.core.errors import BadInput
from wnm.core.host import data_folder
from wnm.core.node import Node
from wnm.wiring import firewall_is_active
from wnm_adopt.anm_files import AnmCron, read_anm_cron, read_cron_entries, read_node_details
from wnm_adopt.anm_places import (
    COMPANIONS,
    AnmPlaces,
    cron_tables,
    read_text,
    running_anms,
    without_ourselves,
)
from wnm_adopt.anm_plan import MARK, AnmSeen, Companion, plan_from_anm
from wnm_adopt.anm_settings import AnmTexts
from wnm_adopt.discover import units_in
from wnm_adopt.found import SYSTEMD, NodeMemory
from wnm_adopt.from_services import given_by_hand, surroundings
from wnm_adopt.plan import TakeoverPlan
from wnm_adopt.takeover_folder import TakeoverFolder

TEXTS = ("config", "override", "system", "teardown_config", "counters", "node_details")
FILES = {"node_details": "NodeDetails"}
# Rules change for many reasons: undoing compares them, and takes away only what wnm has added.
FIREWALL = ("/etc/ufw/ufw.conf", "/etc/ufw/user.rules", "/etc/ufw/user6.rules")
SYSTEM_LOGS = "/var/log/antnode"
OTHER_FILES = ("MaxShunnedNode", "block")
REPORTING = "influx_resources"
FIGURES = "/tmp/influx-resources"
USUAL_TIMES = "*/20 * * * *"


class FromAnm:
    """Implements `wnm_adopt.taking_over.Source`."""

    name = "anm"
    switches_off = True
    noted: Sequence[str] = FIREWALL

    def __init__(self, run: Context, places: AnmPlaces | None = None) -> None:
        self._run = run
        self._places = places or AnmPlaces()

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Read all of anm's files and units, as text. BadInput if there is no anm here."""
        places = self._places
        texts = AnmTexts(
            script=self._text(places.script, folder),
            **{name: self._text(places.data(FILES.get(name, name)), folder) for name in TEXTS},
        )
        cron_text = self._text(places.cron, folder)
        if cron_text is None and texts.config is None and texts.script is None:
            raise BadInput(
                f"there is no anm here: {places.cron}, {places.data('config')} and {places.script} are missing; "
                "leave out --migrate_anm"
            )
        cron = read_anm_cron(cron_text or "")
        units = units_in(places.units, SYSTEMD, places.other_units, loaded=places.root == "/")
        details = read_node_details(texts.node_details or "")
        memories = {
            number: NodeMemory(peer_id=node.peer_id, version=node.version)
            for number, node in details.nodes.items()
        }
        around = replace(surroundings(units, self._run), node_details=memories)
        home = _home_of(cron)
        return plan_from_anm(
            AnmSeen(
                texts=texts,
                cron=cron,
                cron_text=cron_text,
                places=places,
                units=units,
                around=around,
                tables=cron_tables(places),
                companions=self._companions(folder),
                files=self._files(home),
                program=_program_of(home),
                wallet_script=_wallet_script(places, home),
                firewall_active=firewall_is_active(),
                problems=details.problems,
                database=self._run.database_path,
                mark=read_text(places.data(MARK)),
                not_ours=_not_ours(places.at(SYSTEM_LOGS)),
            ),
            self._run.host,
            by_hand=given_by_hand(self._run),
            accept_defaults=self._run.asked.accept_defaults,
        )

    def running(self) -> Sequence[int]:
        """The runs of anm that are under way."""
        return without_ourselves(running_anms(self._places.script))

    def remembered(self, node: Node) -> Node:
        """anm knows nothing that the node itself does not tell."""
        return node

    def _companions(self, folder: TakeoverFolder | None) -> Sequence[Companion]:
        """The collector of figures and the scraper of wallets that are there, each with what is wished for it."""
        wish = self._run.asked.companions or "leave"
        texts = {name: self._text(self._places.companion(name), folder) for name in COMPANIONS}
        return [
            Companion(
                path=self._places.companion(name),
                text=text,
                wish=wish,
                replacement=self._replacement(text) if wish == "replace" and name == REPORTING else None,
            )
            for name, text in texts.items()
            if text is not None
        ]

    def _replacement(self, text: str) -> tuple[str, str]:
        """The file that has wnm's own report written where the collector wrote its figures, at the same times."""
        run = self._run
        entries = [entry for entry in read_cron_entries(text) if entry.live]
        times = entries[0].when if entries else USUAL_TIMES
        words = [*own_program(), "--report", "influx-resources"]
        if run.database_path != f"{data_folder(run.host)}/{DATABASE_NAME}":
            words += ["--dbpath", run.database_path]
        # For cron a percent sign ends the command.
        command = shlex.join(words).replace("%", "\\%")
        return (
            self._places.companion("wnm_influx_resources"),
            "# Written by wnm --init --migrate_anm in the place of anm's; wnm --undo_migration takes it away.\n"
            f"{times} {run.host.user} /usr/bin/mkdir -p {FIGURES} && {command} > {FIGURES}/influx-resources.new && "
            f"/usr/bin/mv {FIGURES}/influx-resources.new {FIGURES}/influx-resources\n",
        )

    def _text(self, path: str, folder: TakeoverFolder | None) -> str | None:
        """A file as it is, or as it was before it was moved away."""
        text = read_text(path)
        if text is None and folder is not None and path in folder.manifest.taken_out:
            content = folder.content(path)
            text = None if content is None else content.decode(errors="surrogateescape")
        return text

    def _files(self, home: str | None) -> tuple[str, ...]:
        """Every file of anm's, and everything of its units: what undoing may have to put back."""
        places = self._places
        units = Path(places.units)
        names = (*OTHER_FILES, *(FILES.get(name, name) for name in TEXTS))
        found = [places.script, *map(places.data, names)]
        for path in sorted(units.glob("antnode*")):
            if path.is_dir() and not path.is_symlink():
                found += [str(each) for each in sorted(path.iterdir()) if each.is_file()]
            elif path.is_symlink() or path.is_file():
                found.append(str(path))
        for path in sorted(units.glob("antnode*.service")):
            found.append(str(units / "multi-user.target.wants" / path.name))
            found += [str(link) for link in sorted(units.glob(f"*.wants/{path.name}"))]
        return (*found, *(places.of_user(home) if home else ()))


def _not_ours(path: str) -> Sequence[str]:
    """The folder, if it is there and not root's alone: whoever can put a link there could have any file written."""
    try:
        seen = os.lstat(path)
    except OSError:
        return ()
    return [path] if stat.S_ISDIR(seen.st_mode) and (seen.st_uid != 0 or seen.st_mode & 0o022) else ()


def _home_of(cron: AnmCron) -> str | None:
    users = [entry.user for entry in cron.entries]
    for user in users:
        try:
            return pwd.getpwnam(user).pw_dir
        except KeyError:
            continue
    return None


def _wallet_script(places: AnmPlaces, home: str | None) -> str | None:
    """The operator's own script that chooses wallets, which only running it could tell the meaning of."""
    paths = places.of_user(home) if home else ()
    return next((path for path in paths if path.endswith("anm-wallet") and os.path.lexists(path)), None)


def _program_of(home: str | None) -> str | None:
    """The program that anm gives to new nodes."""
    path = f"{home}/.local/bin/antnode" if home else None
    return path if path is not None and os.access(path, os.X_OK) else None
