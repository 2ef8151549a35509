"""Reports earnings: the amounts that nodes were credited, by day, wallet and node, exactly."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec.structs import replace

from wnm.core.earnings import EarningRecord, ant_text
from wnm.core.errors import BadInput, did_you_mean, shortened
from wnm.views.payload import Payload, envelope, write_json
from wnm.views.text import table
from wnm.views.words import printable

NAME = "earnings"
SHOWN_DAYS = 7
COLUMNS = ("day", "node", "wallet", "attos", "ant")
BEFORE_WNM = "before wnm"

type Records = Sequence[EarningRecord]


def render_earnings(form: str, records: Records, generated_at: datetime) -> str:
    """The report in this format, without a newline at its end. BadInput for a format that it does not come in."""
    if form not in FORMATS:
        raise BadInput(f"{NAME} does not come as {shortened(form)}: use {' or '.join(FORMATS)}")
    return FORMATS[form](in_one_spelling(records), generated_at)


def in_one_spelling(records: Records) -> Records:
    """The records with one spelling for each address: in whatever case it was given, it is the same wallet.

    The one in mixed case carries a checksum and is preferred. Records that become the same are added up.
    """

    def is_mixed(wallet: str) -> tuple[bool, str]:
        digits = wallet[2:]
        return digits not in (digits.lower(), digits.upper()), wallet

    wallets = sorted({each.wallet for each in records}, key=is_mixed)
    spellings = {wallet.lower(): wallet for wallet in wallets}
    if len(spellings) == len(wallets):
        return records
    sums: Counter[EarningRecord] = Counter()
    for each in records:
        sums[replace(each, wallet=spellings[each.wallet.lower()], attos=0)] += each.attos
    return [replace(kind, attos=attos) for kind, attos in sums.items()]


def only_of(records: Records, names: Collection[str]) -> Records:
    """The records of these nodes, which may be gone. BadInput, naming it, for a node that never earned."""
    known = sorted({each.node for each in records})
    for name in names:
        if name not in known:
            remedy = did_you_mean(name, known, "see wnm --report earnings --json for those that did")
            raise BadInput(f"no node called {shortened(name)} has earned anything: {remedy}")
    return [each for each in records if each.node in names]


def payload(records: Records, generated_at: datetime) -> Payload:
    """The report for programs. Amounts are texts: `attos` has more digits than a float holds, `ant` is exact too.

    `days` is a list by day and wallet, `wallets` and `nodes` are totals of all days. `before_wnm` is what was on
    the counters of nodes when they were first seen; no total holds it.
    """
    counted, before = _split(records)
    content: Payload = {}
    for name, by in {"days": ("day", "wallet"), "wallets": ("wallet",), "nodes": ("node", "wallet")}.items():
        keys = ["name" if each == "node" else each for each in by]
        sums = _sums(counted, *by).items()
        content[name] = [{**dict(zip(keys, key, strict=True)), **_amount(attos)} for key, attos in sums]
    content["total"] = _amount(_total(counted))
    content["before_wnm"] = [
        {"name": each.node, "wallet": each.wallet, **_amount(each.attos)} for each in before
    ]
    return envelope(generated_at, content)


def text(records: Records, generated_at: datetime) -> str:
    """A line in ANT for each of the last seven days (in UTC) and wallet, and totals."""
    counted, before = _split(records)
    if not records:
        return "nothing was earned yet"
    first = generated_at.astimezone(UTC).date() - timedelta(days=SHOWN_DAYS - 1)
    recent = [each for each in counted if each.day is not None and each.day >= first]
    rows = [("day", "wallet", "ANT")]
    rows += [
        (day, printable(by), ant_text(attos)) for (day, by), attos in _sums(recent, "day", "wallet").items()
    ]
    wallets = _sums(recent, "wallet")
    if len(wallets) > 1:
        rows += [(f"{SHOWN_DAYS} days", printable(by), ant_text(attos)) for (by,), attos in wallets.items()]
    rows.append((f"{SHOWN_DAYS} days", "all", ant_text(_total(recent))))
    rows.append(("ever", "all", ant_text(_total(counted))))
    if before:
        rows.append((BEFORE_WNM, "all", ant_text(_total(before))))
    return table(rows, right=(2,))


def as_csv(records: Records, generated_at: datetime) -> str:
    """Every record ever, a line each below a head; `ant` is an exact decimal number.

    Earnings from before wnm looked have `before wnm` in the place of their day.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in records:
        writer.writerow((_day(each), each.node, each.wallet, each.attos, ant_text(each.attos)))
    return out.getvalue().rstrip("\n")


def earned_by_day(records: Records) -> dict[date, int]:
    """Return the earnings of all nodes and wallets on each day; amounts from before wnm belong to no day."""
    days: Counter[date] = Counter()
    for each in records:
        if each.day is not None:
            days[each.day] += each.attos
    return days


def earned_today(records: Records, now: datetime) -> dict[str, int]:
    """Return the earnings of each node today, in UTC and in attos, by its name."""
    today = now.astimezone(UTC).date()
    found: Counter[str] = Counter()
    for each in records:
        if each.day == today:
            found[each.node] += each.attos
    return found


def _day(each: EarningRecord) -> str:
    return BEFORE_WNM if each.day is None else each.day.isoformat()


def _split(records: Records) -> tuple[list[EarningRecord], list[EarningRecord]]:
    """Those of a day, and those from before wnm looked."""
    return [each for each in records if each.day is not None], [each for each in records if each.day is None]


def _sums(records: Records, *by: str) -> Mapping[tuple[str, ...], int]:
    """Sums in attos by these fields, in the order of their values."""
    sums: Counter[tuple[str, ...]] = Counter()
    for each in records:
        sums[tuple(_day(each) if name == "day" else getattr(each, name) for name in by)] += each.attos
    return dict(sorted(sums.items()))


def _total(records: Records) -> int:
    return sum(each.attos for each in records)


def _amount(attos: int) -> Payload:
    return {"attos": str(attos), "ant": ant_text(attos)}


FORMATS: Mapping[str, Callable[[Records, datetime], str]] = {
    "text": text,
    "json": lambda records, generated_at: write_json(payload(records, generated_at)),
    "csv": as_csv,
}
