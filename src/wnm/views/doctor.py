"""Checks the health of a machine from its record, and renders all checks of `wnm doctor`."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from msgspec import Struct

from wnm.core.decide.unwell import is_shunned, why_shunned
from wnm.core.earnings import FULL_COUNTER_ATTOS
from wnm.core.node import Status
from wnm.core.observation import NodePage, ProgramReading, Unseen
from wnm.core.readings import in_crisis
from wnm.core.sentences import is_at, remedy, sentence, waiting_for, what
from wnm.views.actions import names_in
from wnm.views.material import CycleView, Material, counts_of
from wnm.views.payload import Payload, envelope
from wnm.views.reports import measured
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
    READING = "reading"
    NODES = "nodes"
    FAILING = "failing"
    SHUNNED = "shunned"
    FULL_COUNTER = "full-counter"
    BLOCKED = "blocked"


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `ok` is None where it may be as it is, or could not be told."""

    kind: CheckKind
    name: str
    ok: bool | None
    detail: str
    remedy: str | None = None


def payload(checks: Sequence[Check], generated_at: datetime) -> Payload:
    """The checks for programs; `ok` of the whole is false as soon as one is."""
    return envelope(
        generated_at,
        {
            "ok": all(check.ok is not False for check in checks),
            "checks": [
                {
                    "kind": check.kind.value,
                    "name": check.name,
                    "ok": check.ok,
                    "detail": check.detail,
                    "remedy": check.remedy,
                }
                for check in checks
            ],
        },
    )


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
    return (
        *_last_cycle(material),
        *_available(material),
        *_disks(material),
        *_readings(material),
        _nodes(material),
        *_failing(material),
        *_shunned(material),
        *_full_counters(material),
        *_remedies(material.cycle),
    )


def _last_cycle(material: Material) -> Iterable[Check]:
    check = partial(Check, kind=CheckKind.CYCLE)
    cycle, now = material.cycle, material.generated_at
    remedy = "let cron start wnm every minute: wnm cron install"
    if cycle is None:
        yield check(name="last cycle", ok=False, detail="there was none yet", remedy=remedy)
        return
    started = relative(cycle.started_at, now)
    detail = f"cycle {cycle.number} began {started}"
    if now - cycle.started_at > LATE_AFTER:
        yield check(name="last cycle", ok=False, detail=detail, remedy=remedy)
    else:
        yield check(name="last cycle", ok=True, detail=detail)
    if cycle.exit_code == 1:
        failed = [outcome.action for outcome in cycle.outcomes if outcome.error is not None]
        detail = f"at least one action failed: {', '.join(failed[:3])}" if failed else "an action failed"
        yield check(name="its end", ok=False, detail=detail, remedy="see wnm explain")


def _available(material: Material) -> Iterable[Check]:
    check = partial(Check, kind=CheckKind.PROGRAM)
    cycle = material.cycle
    if cycle is None or cycle.seen is None:
        return
    found = cycle.seen.available
    name = "available program"
    remedy = "put a working node program there, or set antnode_path"
    wished = material.settings.node_kind
    if isinstance(found, ProgramReading) and not isinstance(found.version, Unseen):
        right = found.kind is None or found.kind == wished
        detail = (
            f"{found.path} is {found.version}" if right else f"{found.path} is {found.kind}, not {wished}"
        )
        yield check(name=name, ok=right, detail=detail, remedy=None if right else remedy)
    else:
        unseen = found if isinstance(found, Unseen) else found.version
        reason = unseen.reason if isinstance(unseen, Unseen) else ""
        yield check(name=name, ok=False, detail=f"not seen by the last cycle: {reason}", remedy=remedy)


def _disks(material: Material) -> Iterable[Check]:
    check = partial(Check, kind=CheckKind.DISK)
    settings = material.settings
    for system, gauge in measured(material).disks:
        name = f"disk {printable(system.mount_point)}"
        detail = f"{gauge.shown(system.used_percent)} used, {size(system.free_bytes)} free"
        if in_crisis(system, settings):
            remedy = f"free space there: below crisis_bytes {size(settings.crisis_bytes)} nodes are removed"
            yield check(name=name, ok=False, detail=detail, remedy=remedy)
        elif gauge.too_high:
            remedy = "free space there, or raise hd_remove: above it nodes are removed"
            yield check(name=name, ok=False, detail=detail, remedy=remedy)
        elif not gauge.allows_growth:
            yield check(
                name=name, ok=None, detail=f"{detail}: no node is added above {settings.hd_less_than:g} %"
            )
        else:
            yield check(name=name, ok=True, detail=detail)


def _readings(material: Material) -> Iterable[Check]:
    """Only readings that keep wnm from growing are worth a line."""
    check = partial(Check, kind=CheckKind.READING)
    now = measured(material)
    if now.machine is None:
        return
    kept_back = [gauge for gauge in now.gauges if not gauge.allows_growth]
    for gauge in kept_back:
        limit = gauge.remove if gauge.too_high else gauge.allow
        effect = "nodes are stopped" if gauge.too_high else "no node is added"
        detail = f"{is_at(gauge.against(limit))}: {effect}"
        yield check(name=gauge.name, ok=None, detail=detail)
    if not kept_back:
        yield check(name="thresholds", ok=True, detail="every reading allows more nodes")


def _nodes(material: Material) -> Check:
    check = partial(Check, kind=CheckKind.NODES)
    counts = counts_of(material.nodes)
    tally = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "none yet"
    dead = counts[Status.DEAD]
    return check(
        name="nodes",
        ok=not dead,
        detail=f"{tally}; cap {material.settings.node_cap}",
        remedy="the next cycle removes DEAD nodes; mount their disk before if it is missing"
        if dead
        else None,
    )


def _failing(material: Material) -> Iterable[Check]:
    check = partial(Check, kind=CheckKind.FAILING)
    failing = [each.node for each in material.nodes if each.node.failures >= REPEATEDLY]
    for node in failing[:_MOST_NODES]:
        again = (
            "" if node.retry_at is None else f"; tried again {relative(node.retry_at, material.generated_at)}"
        )
        detail = f"failed {node.failures} times in a row: {node.last_error or 'no reason is known'}{again}"
        yield check(
            name=printable(node.name), ok=False, detail=detail, remedy=f"see the logs in {node.log_dir}"
        )
    if len(failing) > _MOST_NODES:
        rest = f"{len(failing) - _MOST_NODES} more nodes fail repeatedly"
        yield check(name="failing nodes", ok=False, detail=rest, remedy="see wnm --report node-status")


def _shunned(material: Material) -> Iterable[Check]:
    """Nodes that their peers shun: whatever the policy does about it, somebody may want to look why."""
    check = partial(Check, kind=CheckKind.SHUNNED)
    shunned = [each for each in material.nodes if is_shunned(each, material.settings)]
    for each in shunned[:_MOST_NODES]:
        detail = f"WARNING: {sentence(why_shunned(each, material.settings))}"
        remedy = "see that its port is reachable and the machine not too busy; shun_policy acts by itself"
        yield check(name=printable(each.node.name), ok=None, detail=detail, remedy=remedy)
    if len(shunned) > _MOST_NODES:
        detail = f"WARNING: {len(shunned) - _MOST_NODES} more nodes are shunned too often"
        yield check(name="shunned nodes", ok=None, detail=detail)


def _full_counters(material: Material) -> Iterable[Check]:
    check = partial(Check, kind=CheckKind.FULL_COUNTER)
    for each in material.nodes:
        page = each.reading.page
        attos = page.rewards_attos if isinstance(page, NodePage) else None
        if attos is not None and attos >= FULL_COUNTER_ATTOS and each.node.status is Status.RUNNING:
            detail = "its rewards counter is full: what it earns is not seen until it is restarted"
            remedy = f"wnm --force_action restart --service_name {each.node.name}"
            yield check(name=printable(each.node.name), ok=None, detail=detail, remedy=remedy)


def _remedies(cycle: CycleView | None) -> Iterable[Check]:
    """Yield the tasks that the last cycle left to the operator; exit code 3 stands for them."""
    check = partial(Check, kind=CheckKind.BLOCKED)
    needed = [] if cycle is None else [held for held in cycle.held if held.remedy is not None]
    names = {} if cycle is None else names_in(cycle)
    for held in needed:
        detail = f"waits for {waiting_for(held, names)}"
        yield check(name=what(held, names), ok=False, detail=detail, remedy=remedy(held, names))
    if cycle is not None and cycle.exit_code == 3 and not needed:
        yield check(
            name="its end", ok=False, detail="it needed somebody", remedy="run wnm once and read its remedy"
        )
