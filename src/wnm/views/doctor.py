"""Checks the health of a machine from its record, and renders all checks of `wnm doctor`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from wnm.core.decide.unwell import is_shunned, why_shunned
from wnm.core.earnings import FULL_COUNTER_ATTOS
from wnm.core.node import Status
from wnm.core.observation import NodePage, ProgramReading, Unseen
from wnm.core.readings import in_crisis
from wnm.core.sentences import is_at, remedy, sentence, waiting_for, what
from wnm.views.actions import names_in
from wnm.views.material import Material, tally
from wnm.views.payload import Payload, envelope, picked
from wnm.views.places import limit_notes, place_notes
from wnm.views.text import table
from wnm.views.words import printable, relative, size

LATE_AFTER = timedelta(minutes=5)
REPEATEDLY = 3
_MOST_NODES = 10


class CheckKind(StrEnum):
    """The subject of a check."""

    IDENTITY = "identity"
    SETTINGS = "settings"
    PROGRAM = "program"
    SUDO = "sudo"
    FOLDER = "folder"
    DATABASE = "database"
    LOCK = "lock"
    CRON = "cron"
    ALERTS = "alerts"
    CYCLE = "cycle"
    DISK = "disk"
    PLACE = "place"
    READING = "reading"
    NODES = "nodes"
    FAILING = "failing"
    SHUNNED = "shunned"
    FULL_COUNTER = "full-counter"
    BLOCKED = "blocked"


class Check(Struct, frozen=True):
    """One thing that was looked at. `ok` is None where it may be as it is, or could not be told."""

    kind: CheckKind
    name: str
    ok: bool | None
    detail: str
    remedy: str | None = None


def payload(checks: Sequence[Check], generated_at: datetime) -> Payload:
    """The checks for programs; `ok` of the whole is false as soon as one is."""
    ok = all(check.ok is not False for check in checks)
    entries = [picked(check, Check.__struct_fields__) for check in checks]
    return envelope(generated_at, {"ok": ok, "checks": entries})


def text(checks: Sequence[Check]) -> str:
    """A line for each check, its remedy below it, and how many need somebody."""
    if not checks:
        return "nothing was checked"
    rows = []
    for check in checks:
        rows.append(({True: "ok", False: "BAD", None: "note"}[check.ok], check.name, printable(check.detail)))
        if check.remedy is not None and check.ok is not True:
            rows.append(("", "", f"remedy: {printable(check.remedy)}"))
    bad = sum(check.ok is False for check in checks)
    end = f"{bad} of {len(checks)} checks need you" if bad else f"all {len(checks)} checks are fine"
    return f"{table(rows)}\n\n{end}"


def checks_of(material: Material) -> tuple[Check, ...]:
    """Return the checks of the ledger and the last cycle about this machine's health."""
    every = (_last_cycle, _available, _disks, _places, _readings, _nodes, _needs)
    return tuple(check for checks in every for check in checks(material))


def _last_cycle(material: Material) -> Iterator[Check]:
    cycle, now = material.cycle, material.generated_at
    detail = (
        "there was none yet"
        if cycle is None
        else f"cycle {cycle.number} began {relative(cycle.started_at, now)}"
    )
    ok = cycle is not None and now - cycle.started_at <= LATE_AFTER
    remedy = None if ok else "let cron start wnm every minute: wnm cron install"
    yield Check(CheckKind.CYCLE, "last cycle", ok, detail, remedy)
    if cycle is not None and cycle.exit_code == 1:
        failed = [outcome.action for outcome in cycle.outcomes if outcome.error is not None]
        detail = f"at least one action failed: {', '.join(failed[:3])}" if failed else "an action failed"
        yield Check(CheckKind.CYCLE, "its end", False, detail, "see wnm explain")


def _available(material: Material) -> Iterator[Check]:
    if material.seen is None:
        return
    found, wished = material.seen.available, material.settings.node_kind
    unseen = found.version if isinstance(found, ProgramReading) else found
    right = False
    if isinstance(unseen, Unseen):
        detail = f"not seen by the last cycle: {unseen.reason}"
    elif isinstance(found, ProgramReading):
        right = found.kind is None or found.kind == wished
        detail = f"{found.path} is {found.version if right else f'{found.kind}, not {wished}'}"
    remedy = None if right else "put a working node program there, or set antnode_path"
    yield Check(CheckKind.PROGRAM, "available program", right, detail, remedy)


def _disks(material: Material) -> Iterator[Check]:
    settings = material.settings
    for system, gauge in material.disks:
        name = f"disk {printable(system.mount_point)}"
        detail = f"{gauge.shown(system.used_percent)} used, {size(system.free_bytes)} free"
        ok, remedy = True, None
        if in_crisis(system, settings):
            ok = False
            remedy = f"free space there: below crisis_bytes {size(settings.crisis_bytes)} nodes are removed"
        elif gauge.too_high:
            ok, remedy = False, "free space there, or raise hd_remove: above it nodes are removed"
        if ok and not gauge.allows_growth:
            detail += f": no node is added above {settings.hd_less_than:g} %"
        yield Check(CheckKind.DISK, name, (None if ok and not gauge.allows_growth else ok), detail, remedy)


def _places(material: Material) -> Iterator[Check]:
    if material.seen is not None:
        for words in limit_notes(material.seen.machine):
            yield Check(CheckKind.READING, "limits", None, words)
        for note in place_notes(material.seen, material.settings, material.generated_at):
            ok = False if note.bad else None
            yield Check(CheckKind.PLACE, f"storage {note.path}", ok, note.words, note.remedy)


def _readings(material: Material) -> Iterator[Check]:
    """Only readings that keep wnm from growing are worth a line."""
    kept_back = [gauge for gauge in material.gauges if not gauge.allows_growth]
    if material.seen is None:
        return
    for gauge in kept_back:
        limit = gauge.remove if gauge.too_high else gauge.allow
        effect = "nodes are stopped" if gauge.too_high else "no node is added"
        yield Check(CheckKind.READING, gauge.name, None, f"{is_at(gauge.against(limit))}: {effect}")
    if not kept_back:
        yield Check(CheckKind.READING, "thresholds", True, "every reading allows more nodes")


def _nodes(material: Material) -> Iterator[Check]:
    """The nodes in all, those that fail, those that their peers shun, and those whose counter is full."""
    settings, nodes = material.settings, material.nodes
    dead = material.counts[Status.DEAD]
    remedy = "the next cycle removes DEAD nodes; mount their disk before if it is missing" if dead else None
    detail = f"{tally(material.counts) or 'none yet'}; cap {settings.node_cap}"
    yield Check(CheckKind.NODES, "nodes", not dead, detail, remedy)
    failing = [each.node for each in nodes if each.node.failures >= REPEATEDLY]
    for node in failing[:_MOST_NODES]:
        again = f"; tried again {relative(node.retry_at, material.generated_at)}" if node.retry_at else ""
        detail = f"failed {node.failures} times in a row: {node.last_error or 'no reason is known'}{again}"
        yield Check(CheckKind.FAILING, printable(node.name), False, detail, f"see the logs in {node.log_dir}")
    if len(failing) > _MOST_NODES:
        rest = f"{len(failing) - _MOST_NODES} more nodes fail repeatedly"
        yield Check(CheckKind.FAILING, "failing nodes", False, rest, "see wnm --report node-status")
    # Whatever the policy does about it, somebody may want to look why.
    shunned = [each for each in nodes if is_shunned(each, settings)]
    for each in shunned[:_MOST_NODES]:
        detail = f"WARNING: {sentence(why_shunned(each, settings))}"
        remedy = "see that its port is reachable and the machine not too busy; shun_policy acts by itself"
        yield Check(CheckKind.SHUNNED, printable(each.node.name), None, detail, remedy)
    if len(shunned) > _MOST_NODES:
        rest = f"WARNING: {len(shunned) - _MOST_NODES} more nodes are shunned too often"
        yield Check(CheckKind.SHUNNED, "shunned nodes", None, rest)
    for each in nodes:
        attos = each.reading.page.rewards_attos if isinstance(each.reading.page, NodePage) else None
        if attos is not None and attos >= FULL_COUNTER_ATTOS and each.node.status is Status.RUNNING:
            detail = "its rewards counter is full: what it earns is not seen until it is restarted"
            remedy = f"wnm --force_action restart --service_name {each.node.name}"
            yield Check(CheckKind.FULL_COUNTER, printable(each.node.name), None, detail, remedy)


def _needs(material: Material) -> Iterator[Check]:
    """Yield the tasks that the last cycle left to the operator; exit code 3 stands for them."""
    cycle, names = material.cycle, names_in(material.cycle)
    needed = [] if cycle is None else [held for held in cycle.held if held.remedy is not None]
    for held in needed:
        detail = f"waits for {waiting_for(held, names)}"
        yield Check(CheckKind.BLOCKED, what(held, names), False, detail, remedy(held, names))
    if cycle is not None and cycle.exit_code == 3 and not needed:
        detail = "it needed somebody"
        yield Check(CheckKind.BLOCKED, "its end", False, detail, "run wnm once and read its remedy")
