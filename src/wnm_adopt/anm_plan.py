"""Plans the takeover of an installation of anm from everything that was read of it."""

import posixpath
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from wnm.core.host import Host, for_manager
from wnm.core.settings import read, render
from wnm_adopt.anm_files import AnmCron, read_cron_entries
from wnm_adopt.anm_places import AnmPlaces
from wnm_adopt.anm_settings import AnmTexts, read_anm_settings
from wnm_adopt.classify import Classified, classify
from wnm_adopt.findings import FoundSettings
from wnm_adopt.folder_rules import is_below
from wnm_adopt.found import SYSTEMD, FoundUnit, Surroundings
from wnm_adopt.plan import TakeoverPlan, most_common

MARK = "wnm-takeover"
"""The file in anm's folder that says which database its nodes went to: another account must not take them too."""

NOT_STARTED_AT_BOOT = (
    "anm's units do not start with the machine: after a restart wnm's first cycles start the nodes that ran"
)


class Companion(Struct, frozen=True, kw_only=True):
    """A cron file of what belongs to anm; `replacement` is the file that stands in for it, if that is wished."""

    path: str
    text: str
    wish: str
    replacement: tuple[str, str] | None = None


class AnmSeen(Struct, frozen=True, kw_only=True):
    """All that was read. `tables` are other cron tables by path; `files` are paths of which copies are kept.

    `database` is the one to be written, `mark` the text of the file that a takeover by another one has left.
    `not_ours` are folders of logs that are not root's. `wallet_script` is where the operator's own script is that
    chooses wallets, None if there is none.
    """

    texts: AnmTexts
    cron: AnmCron
    cron_text: str | None
    places: AnmPlaces
    units: Sequence[FoundUnit]
    around: Surroundings
    tables: Mapping[str, str]
    companions: Sequence[Companion]
    files: Sequence[str]
    program: str | None
    wallet_script: str | None
    firewall_active: bool
    problems: Sequence[str] = ()
    not_ours: Sequence[str] = ()
    database: str = ""
    mark: str | None = None


def plan_from_anm(
    seen: AnmSeen, host: Host, *, by_hand: Mapping[str, str], accept_defaults: bool
) -> TakeoverPlan:
    """The plan. Its problems are what only the operator can solve; with any of them nothing may be changed."""
    first = classify(seen.units, seen.around)
    found = _settings(seen, first, host, by_hand)
    around = replace(seen.around, port_start=int(found.given.get("port_start", seen.around.port_start)))
    classified = classify(seen.units, _with_storages(around, found, host, by_hand))
    if outer := _outer_storage(found, first, classified, host):
        found = _without_storage(found, outer)
        classified = classify(seen.units, _with_storages(around, found, host, by_hand))
    taken_out = [seen.places.cron] if seen.cron_text is not None else []
    others, in_tables = _other_tables(seen)
    companions = [each for each in seen.companions if each.wish != "leave"]
    moved = [*taken_out, *others, *(each.path for each in companions)]
    problems = [*_teardown(seen, found), *_other_jobs(seen), *in_tables, *found.blocking(accept_defaults)]
    problems += _left_out(classified, host, by_hand)
    if seen.mark is not None and seen.mark.strip() != seen.database:
        problems.append(
            f"these nodes were taken over already, by the wnm with the database {seen.mark.strip():.200}: go on with "
            "that one, or undo it there with wnm --undo_migration; if it is gone for good, delete "
            f"{seen.places.data(MARK)}"
        )
    if "process_manager" in by_hand and read("process_manager", by_hand["process_manager"], host) != SYSTEMD:
        problems.append("anm's nodes are services of the system: leave out --process_manager")
    return TakeoverPlan(
        source="anm",
        settings=_given(seen, found, classified, host, by_hand),
        adopted=classified.adopted,
        refused=classified.refused,
        kept=tuple(dict.fromkeys([*moved, *(each.path for each in seen.companions), *seen.files])),
        taken_out=tuple(moved),
        claimed=tuple(seen.not_ours),
        needed=(seen.places.data("config"),),
        made=(
            (seen.places.data(MARK), f"{seen.database}\n"),
            *(each.replacement for each in companions if each.replacement is not None),
        ),
        notes=(
            *(str(each) for each in found.unknown if not each.matters),
            *found.notes,
            *seen.problems,
            *_notes(seen, found, classified, by_hand),
        ),
        problems=tuple(problems),
    )


def _settings(seen: AnmSeen, classified: Classified, host: Host, by_hand: Mapping[str, str]) -> FoundSettings:
    rows = [each.row for each in classified.adopted]
    return read_anm_settings(
        seen.texts,
        cores=int(host.usable_cores),
        host=for_manager(host, SYSTEMD),
        unit_ports=[(row.id, row.port) for row in rows],
        unit_storages=sorted({posixpath.dirname(row.root_dir) for row in rows}),
        by_hand=frozenset(by_hand),
    )


def _with_storages(
    around: Surroundings, found: FoundSettings, host: Host, by_hand: Mapping[str, str]
) -> Surroundings:
    return replace(around, storages_known=_folders({**found.given, **by_hand}.get("node_storage"), host))


def _outer_storage(found: FoundSettings, first: Classified, classified: Classified, host: Host) -> str | None:
    """anm's folder if no node lies in it, but in folders in it, which cannot be storage folders beside it."""
    inner = {posixpath.dirname(each.row.root_dir) for each in first.adopted}
    used = {posixpath.dirname(each.row.root_dir) for each in classified.adopted}
    for folder in _folders(found.given.get("node_storage"), host):
        if folder not in used and any(is_below(each, folder) for each in inner):
            return folder
    return None


def _without_storage(found: FoundSettings, folder: str) -> FoundSettings:
    given = {name: text for name, text in found.given.items() if name != "node_storage"}
    note = f"NodeStorage {folder} holds no node itself: the folders in it that do become storage folders"
    return replace(found, given=given, notes=(*found.notes, note))


def _left_out(classified: Classified, host: Host, by_hand: Mapping[str, str]) -> list[str]:
    """Nodes outside of the storage folders that were given could never be taken away again."""
    named = _folders(by_hand.get("node_storage"), host)
    if not named or not classified.storages:
        return []
    return [
        f"--node_storage leaves out {', '.join(classified.storages)}, where nodes are: give --node_storage "
        f"{render('node_storage', (*named, *classified.storages))}"
    ]


def _given(
    seen: AnmSeen, found: FoundSettings, classified: Classified, host: Host, by_hand: Mapping[str, str]
) -> dict[str, str]:
    given = {**found.given, "process_manager": SYSTEMD}
    given["firewall"] = "ufw" if seen.firewall_active else "null"
    if seen.program is not None:
        given["antnode_path"] = seen.program
    storages = (*_folders(given.get("node_storage"), host), *classified.storages)
    if storages:
        given["node_storage"] = render("node_storage", tuple(dict.fromkeys(storages)))
    rows = [each.row for each in classified.adopted]
    # Logs within the node's folder tell nothing of where those of others go.
    logs = most_common(
        posixpath.dirname(row.log_dir) for row in rows if not row.log_dir.startswith(f"{row.root_dir}/")
    )
    users = most_common(row.user for row in rows if row.user)
    given |= {"log_storage": logs} if logs else {}
    given |= {"node_user": users} if users else {}
    return {name: text for name, text in given.items() if name not in by_hand}


def _folders(text: str | None, host: Host) -> tuple[str, ...]:
    folders = read("node_storage", text, host) if text else ()
    return tuple(str(each) for each in folders) if isinstance(folders, tuple) else ()


def _teardown(seen: AnmSeen, found: FoundSettings) -> list[str]:
    if not found.teardown_pending:
        return []
    why = "its config is missing" if seen.texts.config is None else "its config says Action=4"
    if not seen.cron.live:
        return [
            f"{why}, so what anm was to do cannot be told: take over the nodes alone, with wnm --init --import "
            "--process_manager systemd --rewards_address ADDRESS"
        ]
    cron = seen.places.cron
    return [
        f"DANGER: {why}, so at the next full minute anm deletes every node, its data and its own files, and "
        f"restarts the machine. Stop it now: sudo mv {cron} /root/anm.stopped; sudo pkill -f anms.sh. Then put the "
        "config back, or take over the nodes alone: wnm --init --import --process_manager systemd "
        "--rewards_address ADDRESS"
    ]


def _other_jobs(seen: AnmSeen) -> list[str]:
    """What else anm's own cron file starts would be switched off with it."""
    others = [each for each in read_cron_entries(seen.cron_text or "") if each.live and not each.starts_anm]
    return [
        f"{seen.places.cron}:{each.line} starts something else too ({each.command:.60}): move that line to a file of "
        "its own"
        for each in others
    ]


def _other_tables(seen: AnmSeen) -> tuple[list[str], list[str]]:
    """Other files that start anm: those that do nothing else go too, those that do are for the operator."""
    moved, problems = [], []
    for path, text in seen.tables.items():
        live = [entry for entry in read_cron_entries(text) if entry.live]
        if not starts_anm(text):
            continue
        if path.startswith(seen.places.at("/etc/cron.d/")) and all(entry.starts_anm for entry in live):
            moved.append(path)
        else:
            problems.append(f"{path} starts anm too: take the line with anms.sh out of it")
    return moved, problems


def starts_anm(text: str) -> bool:
    """Whether a line of a cron table starts it; in a user's own table no line names an account."""
    return any("anms.sh" in line and not line.lstrip().startswith("#") for line in text.splitlines())


def _notes(
    seen: AnmSeen, found: FoundSettings, classified: Classified, by_hand: Mapping[str, str]
) -> list[str]:
    notes = []
    if classified.adopted:
        notes.append(NOT_STARTED_AT_BOOT)
    alone = [each for each in classified.refused if each.name.endswith(".service")]
    if alone:
        notes.append(
            f"{len(alone)} unit(s) are left alone: once anm is off nothing looks after them, so do what is said of "
            "each first"
        )
    if not seen.cron.live:
        notes.append(f"{seen.places.cron} does not start anm: it is switched off already")
    cap = {**found.given, **by_hand}.get("node_cap", "")
    if cap.isdigit() and int(cap) < len(classified.adopted):
        notes.append(
            f"node_cap {cap} is below the {len(classified.adopted)} nodes that are there: as anm would, wnm removes "
            "the youngest; give --node_cap to keep them"
        )
    for each in seen.companions:
        if each.wish == "leave":
            notes.append(
                f"{each.path} stays and reads files that anm no longer writes: give --companions disable, or replace "
                "to have wnm's own report in its place"
            )
        elif each.replacement is None and each.wish == "replace":
            notes.append(f"{each.path} goes without a replacement: wnm reads no web pages")
    if seen.wallet_script is not None:
        notes.append(
            f"{seen.wallet_script} chose a wallet for each new node; it is not run: give --rewards_address, "
            "which takes a weighted list too"
        )
    return notes
