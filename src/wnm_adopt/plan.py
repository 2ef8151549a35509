"""The plan of a takeover as a value and as text for people, the same for a rehearsal and for the real thing."""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from wnm.core.node import Node
from wnm.views.words import printable
from wnm_adopt.classify import Adopted, Refused


class TakeoverPlan(Struct, frozen=True, kw_only=True):
    """Everything that is adopted, left alone, written and switched off.

    `source` is what is taken over from. `settings` are texts by name as they were found; what was given by hand
    stands above them. `rows` are nodes that lie still and that nothing but an older database tells of. `kept` are the
    paths of which copies are kept, `taken_out` those of them that are moved away so that nothing starts from them,
    `made` the path and text of files that are written, `claimed` folders that become root's. `needed` are files
    without which the old manager must not be started again. `notes` are worth knowing, `problems` keep it from
    happening.
    """

    source: str
    settings: Mapping[str, str] = field(default_factory=dict)
    adopted: tuple[Adopted, ...] = ()
    rows: tuple[Node, ...] = ()
    refused: tuple[Refused, ...] = ()
    kept: tuple[str, ...] = ()
    taken_out: tuple[str, ...] = ()
    made: tuple[tuple[str, str], ...] = ()
    claimed: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def plan_text(plan: TakeoverPlan, *, database: str) -> str:
    """The plan for people, a section for each part of it; parts without anything in them are left out."""
    sections = [
        ("settings as found", [f"{name} = {text}" for name, text in plan.settings.items()]),
        (f"adopted as they are, nothing is restarted ({len(plan.adopted)})", _adopted(plan.adopted)),
        ("adopted as they lie, stopped", [f"{each.name}: {each.root_dir}" for each in plan.rows]),
        (f"left alone ({len(plan.refused)})", [refused_line(each) for each in plan.refused]),
        ("moved away, so that nothing starts from it", list(plan.taken_out)),
        ("written", [f"{database} (new)", *(path for path, _ in plan.made)]),
        ("given to root, because systemd writes logs there as root", list(plan.claimed)),
        ("copied first, so that all of it can be undone", list(plan.kept)),
        ("worth knowing", list(plan.notes)),
        ("in the way", list(plan.problems)),
    ]
    parts = [f"takeover from {plan.source}"]
    parts += [
        f"{title}\n" + "\n".join(_indented(line) for line in lines) for title, lines in sections if lines
    ]
    return "\n\n".join(parts)


def refused_line(refused: Refused) -> str:
    """What is left alone, why, and what can be done about it."""
    remedy = f"; {refused.remedy}" if refused.remedy else ""
    return f"{refused.name} ({refused.place}): {refused.reason}{remedy}"


def _indented(line: str) -> str:
    text = line.lstrip(" ")
    return " " * (2 + len(line) - len(text)) + printable(text)


def _adopted(adopted: Iterable[Adopted]) -> list[str]:
    lines = []
    for each in adopted:
        row = each.row
        account = f", as {row.user}" if row.user else ""
        lines.append(
            f"{row.name}: port {row.port}, metrics {row.metrics_port}, {row.root_dir}{account}, paid to {row.wallet}"
        )
        if row.environment:
            lines.append("    environment: " + " ".join(f"{name}={value}" for name, value in row.environment))
        if row.start_args or each.network:
            lines.append("    keeps: " + " ".join((*row.start_args, *each.network)))
        lines += [f"    {note}" for note in each.notes]
    return lines


def most_common(texts: Iterable[str]) -> str | None:
    """The text that is there most often; None if there is none."""
    counted = Counter(texts).most_common(1)
    return counted[0][0] if counted else None
