"""Reads and plans an installation of anm for `wnm --init --migrate_anm`."""

import os
import posixpath
import pwd
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wnm.app.context import DATABASE_NAME, Context
from wnm.app.schedule import own_program
from wnm.core.errors import BadInput
from wnm.core.host import Host, data_folder, for_manager
from wnm.core.settings import read, render
from wnm_adopt.anm_settings import (
    CONFIG,
    CRON,
    DATA,
    MARK,
    OF_USER,
    OTHER_UNITS,
    SCRIPT,
    SYSTEM_LOGS,
    UNITS,
    AnmTexts,
    cron_tables,
    read_anm_settings,
    read_cron_entries,
    read_node_details,
    read_text,
    running_anms,
    starts_anm,
)
from wnm_adopt.classify import Classified, classify, is_below
from wnm_adopt.discover import SYSTEMD, FoundUnit, Surroundings, units_in
from wnm_adopt.from_services import given_by_hand, surroundings
from wnm_adopt.plan import SettingsReader, Source, TakeoverPlan, most_common
from wnm_adopt.takeover_folder import TakeoverFolder

NOT_STARTED_AT_BOOT = (
    "anm's units do not start with the machine: after a restart wnm's first cycles start the nodes that ran"
)


TEXTS = {
    **{name: f"{DATA}/{name}" for name in ("config", "override", "system")},
    "node_details": f"{DATA}/NodeDetails",
    "script": SCRIPT,
}
OTHER_FILES = (
    SCRIPT,
    *(f"{DATA}/{name}" for name in ("MaxShunnedNode", "block", "counters", "teardown_config")),
)
# Rules change for many reasons: undoing compares them, and takes away only what wnm has added.
FIREWALL = ("/etc/ufw/ufw.conf", "/etc/ufw/user.rules", "/etc/ufw/user6.rules")
REPORTING = "/etc/cron.d/influx_resources"
COMPANIONS = (REPORTING, "/etc/cron.d/scrape")
FIGURES = "/tmp/influx-resources"
USUAL_TIMES = "*/20 * * * *"


class AnmSeen(Struct, frozen=True, kw_only=True):
    """All that was read. `tables` are other cron tables by path; `files` are paths of which copies are kept.

    `companions` are cron files of what belongs to anm, `wish` what becomes of them, and `replacement` the file that
    stands in for its collector of figures, if that is wished. `database` is the one to be written, `mark` the text of
    the file that a takeover by another one has left. `not_ours` are folders of logs that are not root's.
    `wallet_script` is where the operator's own script is that chooses wallets, None if there is none.
    """

    texts: AnmTexts
    cron_text: str | None
    units: Sequence[FoundUnit]
    around: Surroundings
    tables: Mapping[str, str]
    companions: Sequence[str]
    files: Sequence[str]
    program: str | None
    wallet_script: str | None
    firewall_active: bool
    not_ours: Sequence[str] = ()
    database: str = ""
    mark: str | None = None
    wish: str = "leave"
    replacement: tuple[str, str] | None = None

    @property
    def is_on(self) -> bool:
        """Whether anm's cron file starts it."""
        return any(each.live and each.starts_anm for each in read_cron_entries(self.cron_text or ""))


def plan_from_anm(
    seen: AnmSeen, host: Host, *, by_hand: Mapping[str, str], accept_defaults: bool
) -> TakeoverPlan:
    """The plan. Its problems are what only the operator can solve; with any of them nothing may be changed."""
    planner = _Planner(seen, host, by_hand)
    moved, in_tables = [] if seen.cron_text is None else [CRON], []
    for path, text in seen.tables.items():
        if not starts_anm(text):
            continue
        # Other files that do nothing else go too.
        live = [entry for entry in read_cron_entries(text) if entry.live]
        if path.startswith("/etc/cron.d/") and all(entry.starts_anm for entry in live):
            moved.append(path)
        else:
            in_tables.append(f"{path} starts anm too: take the line with anms.sh out of it")
    moved += [] if seen.wish == "leave" else seen.companions
    found = planner.found
    return TakeoverPlan(
        source="anm",
        settings=planner.settings(),
        adopted=planner.classified.adopted,
        refused=planner.classified.refused,
        kept=tuple(dict.fromkeys([*moved, *seen.companions, *seen.files])),
        taken_out=tuple(moved),
        to_own=tuple(seen.not_ours),
        needed=(CONFIG,),
        made=((MARK, f"{seen.database}\n"), *([seen.replacement] if seen.replacement is not None else ())),
        notes=(*(each.line for each in found.open if not each.matters), *found.notes, *planner.notes()),
        problems=(*_teardown(seen, found), *in_tables, *found.blocking(accept_defaults), *planner.problems()),
    )


class _Planner:
    """The nodes and settings of an installation: each decides what becomes of the other."""

    def __init__(self, seen: AnmSeen, host: Host, by_hand: Mapping[str, str]) -> None:
        self.seen = seen
        self.host = host
        self.by_hand = by_hand
        rows = [each.row for each in classify(seen.units, seen.around).adopted]
        inner = {posixpath.dirname(row.root_dir) for row in rows}
        self.found = read_anm_settings(
            seen.texts,
            cores=int(host.usable_cores),
            host=for_manager(host, SYSTEMD),
            unit_ports=[(row.id, row.port) for row in rows],
            unit_storages=sorted(inner),
            by_hand=frozenset(by_hand),
        )
        self.classified = self._classify()
        # anm's folder if no node lies in it, but in folders in it, which cannot be storage folders beside it.
        used = {posixpath.dirname(each.row.root_dir) for each in self.classified.adopted}
        for folder in self._folders(self.found.given.get("node_storage")):
            if folder not in used and any(is_below(each, folder) for each in inner):
                del self.found.given["node_storage"]
                note = f"NodeStorage {folder} holds no node itself: the folders in it that do become storage folders"
                self.found.notes.append(note)
                self.classified = self._classify()

    def _classify(self) -> Classified:
        around, given = self.seen.around, self.found.given
        port_start = int(given.get("port_start", around.port_start))
        storages = self._folders({**given, **self.by_hand}.get("node_storage"))
        return classify(self.seen.units, replace(around, port_start=port_start, storages_known=storages))

    def _folders(self, text: str | None) -> tuple[str, ...]:
        folders = read("node_storage", text, self.host) if text else ()
        return tuple(str(each) for each in folders) if isinstance(folders, tuple) else ()

    def settings(self) -> dict[str, str]:
        """Texts for wnm's settings by name, but for those that are given by hand."""
        rows = [each.row for each in self.classified.adopted]
        # Logs within the node's folder tell nothing of where those of others go.
        apart = (row.log_dir for row in rows if not row.log_dir.startswith(f"{row.root_dir}/"))
        storages = (*self._folders(self.found.given.get("node_storage")), *self.classified.storages)
        told = {
            "antnode_path": self.seen.program,
            "node_storage": render("node_storage", tuple(dict.fromkeys(storages))) if storages else None,
            "log_storage": most_common(map(posixpath.dirname, apart)),
            "node_user": most_common(row.user for row in rows if row.user),
        }
        given = {**self.found.given, "process_manager": SYSTEMD}
        given["firewall"] = "ufw" if self.seen.firewall_active else "null"
        given |= {name: text for name, text in told.items() if text is not None}
        return {name: text for name, text in given.items() if name not in self.by_hand}

    def problems(self) -> Iterator[str]:
        """Problems besides those of the settings that were found."""
        seen, by_hand = self.seen, self.by_hand
        for each in read_cron_entries(seen.cron_text or ""):
            if each.live and not each.starts_anm:
                yield (
                    f"{CRON}:{each.line} starts something else too ({each.command:.60}): move that line to a file of "
                    "its own"
                )
        named = self._folders(by_hand.get("node_storage"))
        # Nodes outside of the storage folders that were given could never be taken away again.
        if named and self.classified.storages:
            yield (
                f"--node_storage leaves out {', '.join(self.classified.storages)}, where nodes are: give "
                f"--node_storage {render('node_storage', (*named, *self.classified.storages))}"
            )
        if seen.mark is not None and seen.mark.strip() != seen.database:
            yield (
                f"these nodes were taken over already, by the wnm with the database {seen.mark.strip():.200}: go on "
                "with that one, or undo it there with wnm --undo_migration; if it is gone for good, delete "
                f"{MARK}"
            )
        manager = by_hand.get("process_manager")
        if manager is not None and read("process_manager", manager, self.host) != SYSTEMD:
            yield "anm's nodes are services of the system: leave out --process_manager"

    def notes(self) -> Iterator[str]:
        """Lines that are worth knowing of what becomes of anm."""
        seen, count = self.seen, len(self.classified.adopted)
        if count:
            yield NOT_STARTED_AT_BOOT
        alone = [each for each in self.classified.refused if each.name.endswith(".service")]
        if alone:
            yield (
                f"{len(alone)} unit(s) are left alone: once anm is off nothing looks after them, so do what is said of "
                "each first"
            )
        if not seen.is_on:
            yield f"{CRON} does not start anm: it is switched off already"
        cap = {**self.found.given, **self.by_hand}.get("node_cap", "")
        if cap.isdigit() and int(cap) < count:
            yield (
                f"node_cap {cap} is below the {count} nodes that are there: as anm would, wnm removes the youngest; "
                "give --node_cap to keep them"
            )
        for path in seen.companions:
            if seen.wish == "leave":
                yield (
                    f"{path} stays and reads files that anm no longer writes: give --companions disable, or replace to "
                    "have wnm's own report in its place"
                )
            elif seen.wish == "replace" and path != REPORTING:
                yield f"{path} goes without a replacement: wnm reads no web pages"
        if seen.wallet_script is not None:
            yield (
                f"{seen.wallet_script} chose a wallet for each new node; it is not run: give --rewards_address, which "
                "takes a weighted list too"
            )


def _teardown(seen: AnmSeen, found: SettingsReader) -> list[str]:
    if not found.teardown_pending:
        return []
    why = "its config is missing" if seen.texts.config is None else "its config says Action=4"
    alone = (
        "take over the nodes alone{} wnm --init --import --process_manager systemd --rewards_address ADDRESS"
    )
    if not seen.is_on:
        return [f"{why}, so what anm was to do cannot be told: {alone.format(', with')}"]
    return [
        f"DANGER: {why}, so at the next full minute anm deletes every node, its data and its own files, and "
        f"restarts the machine. Stop it now: sudo mv {CRON} /root/anm.stopped; sudo pkill -f anms.sh. Then put the "
        f"config back, or {alone.format(':')}"
    ]


class FromAnm(Source):
    """The files, units and processes of anm."""

    name = "anm"
    switches_off = True
    noted = FIREWALL

    def __init__(self, run: Context) -> None:
        self._run = run

    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Read all of anm's files and units, as text. BadInput if there is no anm here."""

        def text_of(path: str) -> str | None:
            """A file as it is, or as it was before it was moved away."""
            text = read_text(path)
            if text is None and folder is not None and path in folder.manifest.taken_out:
                content = folder.content(path)
                text = None if content is None else content.decode(errors="surrogateescape")
            return text

        run = self._run
        texts = AnmTexts(**{name: text_of(path) for name, path in TEXTS.items()})
        cron_text = text_of(CRON)
        if cron_text is None and texts.config is None and texts.script is None:
            raise BadInput(
                f"there is no anm here: {CRON}, {CONFIG} and {SCRIPT} are missing; leave out --migrate_anm"
            )
        units = units_in(UNITS, SYSTEMD, OTHER_UNITS, loaded=True)
        details = read_node_details(texts.node_details or "")
        home = _home_of(cron_text or "")
        program = f"{home}/.local/bin/antnode"
        added = [f"{home}/.local/share/{name}" for name in OF_USER] if home else []
        companions = {path: text for path in COMPANIONS if (text := text_of(path)) is not None}
        wish = run.asked.companions or "leave"
        replaced = companions.get(REPORTING) if wish == "replace" else None
        return plan_from_anm(
            AnmSeen(
                texts=texts,
                cron_text=cron_text,
                units=units,
                around=replace(surroundings(units, run), node_details=details),
                tables=cron_tables(),
                companions=list(companions),
                wish=wish,
                replacement=None if replaced is None else _replacement(run, replaced),
                files=(*_files(), *added),
                program=program if home and os.access(program, os.X_OK) else None,
                # Only running it could tell what the operator's own script means.
                wallet_script=next((path for path in added[:1] if os.path.lexists(path)), None),
                firewall_active=run.wiring.firewall_is_active(),
                database=run.database_path,
                mark=read_text(MARK),
                not_ours=_not_ours(SYSTEM_LOGS),
            ),
            run.host,
            by_hand=given_by_hand(run),
            accept_defaults=run.asked.accept_defaults,
        )

    def running(self) -> Sequence[int]:
        """The runs of anm that are under way."""
        return running_anms()


def _replacement(run: Context, text: str) -> tuple[str, str]:
    """The file that has wnm's own report written where the collector wrote its figures, at the same times."""
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


def _files() -> list[str]:
    """Every file of anm's, and everything of its units: what undoing may have to put back."""
    units = Path(UNITS)
    found = [*OTHER_FILES, *(path for path in TEXTS.values() if path != SCRIPT)]
    for path in sorted(units.glob("antnode*")):
        if path.is_dir() and not path.is_symlink():
            found += [str(each) for each in sorted(path.iterdir()) if each.is_file()]
        elif path.is_symlink() or path.is_file():
            found.append(str(path))
    for path in sorted(units.glob("antnode*.service")):
        found.append(str(units / "multi-user.target.wants" / path.name))
        found += [str(link) for link in sorted(units.glob(f"*.wants/{path.name}"))]
    return found


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
