"""The plan of a takeover and what it is made of: settings that were found, and sources that plans come from."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from wnm.core.errors import BadInput
from wnm.core.host import Host
from wnm.core.layers import check_together
from wnm.core.node import Node
from wnm.core.settings import REQUIRED, SPECS, Settings, read, render
from wnm.views.words import printable
from wnm_adopt.classify import Adopted, Refused
from wnm_adopt.takeover_folder import TakeoverFolder


class OpenSetting(Struct, frozen=True, kw_only=True):
    """A setting that cannot be taken as it was found, under the names `keys`: it is not known, or cannot be right.

    `line` says so and how to give the `options`, the settings of wnm. `defaults` are wnm's, which would stand in for
    them, as texts by name; without any only values given by hand help. Without it nothing is taken over if it
    `matters`.
    """

    keys: tuple[str, ...]
    options: tuple[str, ...]
    line: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    matters: bool = True


class SettingsReader:
    """Collects the settings that are found, one at a time; those named in `by_hand` are not looked for.

    `given` holds canonical texts for wnm's settings by name. What is `open` is not in it: wnm's defaults apply.
    `notes` are lines for people. `teardown_pending` says that the next run of anm takes every node away.
    """

    def __init__(self, host: Host, by_hand: Collection[str]) -> None:
        self.host = host
        self.by_hand = by_hand
        self.given: dict[str, str] = {}
        self.open: list[OpenSetting] = []
        self.notes: list[str] = []
        self.teardown_pending = False

    def blocking(self, accept_defaults: bool) -> tuple[str, ...]:
        """A line on each thing that has to be decided before anything can be taken over; empty if nothing is."""
        return tuple(
            each.line for each in self.open if each.matters and not (accept_defaults and each.defaults)
        )

    def give(self, name: str, text: str) -> None:
        """Keep a text as `--init` would; ValueError if it would refuse it."""
        self.given[name] = render(name, read(name, text, self.host))

    def default(self, name: str) -> Any:
        """wnm's own value."""
        return SPECS[name].default_for(self.host)

    def value_of(self, name: str) -> Any:
        """The value that will hold if nobody gives another."""
        return read(name, self.given[name], self.host) if name in self.given else self.default(name)

    def not_known(self, key: str, where: str, reason: str, name: str, *, matters: bool = True) -> None:
        """Only a value given by hand helps."""
        line = f"{where}: {key} is not known: {reason}; give {by_hand(name)}"
        self.open.append(OpenSetting(keys=(key,), options=(name,), line=line, matters=matters))

    def wrong(
        self,
        keys: Sequence[str],
        where: str,
        why: str,
        names: Sequence[str],
        *,
        replaceable: bool = True,
        joined: str = " and ",
    ) -> None:
        """All of the settings `names`, or any of them (`joined` by or), have to be others.

        Else, where they are `replaceable`, wnm's defaults stand in for all of them.
        """
        defaults = {name: render(name, self.default(name)) for name in names} if replaceable else {}
        texts = ", ".join(f"{name} {text or 'none'}" for name, text in defaults.items())
        either = f", or --accept_defaults for {texts}" if texts else ""
        line = f"{where}: {why}; give {joined.join(map(by_hand, names))}{either}"
        self.open.append(OpenSetting(keys=tuple(keys), options=tuple(names), line=line, defaults=defaults))

    def contradiction(self, names: Sequence[str], origins: Mapping[str, str]) -> str | None:
        """Return why some settings that were found contradict each other, everything else being as by default."""
        values: dict[str, Any] = {
            name: () if spec.default is REQUIRED else self.default(name) for name, spec in SPECS.items()
        }
        values |= {name: read(name, self.given[name], self.host) for name in names if name in self.given}
        try:
            check_together(Settings(**values), dict.fromkeys(SPECS, "default") | dict(origins))
        except BadInput as problem:
            return str(problem).partition(": give ")[0].partition("; give ")[0]
        return None


def by_hand(name: str) -> str:
    """The option that gives a setting of wnm."""
    return f"--{name} {SPECS[name].form.shown}"


class TakeoverPlan(Struct, frozen=True, kw_only=True):
    """Everything that is adopted, left alone, written and switched off.

    `source` is what is taken over from. `settings` are texts by name as they were found; what was given by hand
    stands above them. `rows` are nodes that lie still and that nothing but an older database tells of. `kept` are the
    paths of which copies are kept, `taken_out` those of them that are moved away so that nothing starts from them,
    `made` the path and text of files that are written, `to_own` folders that become root's. `needed` are files
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
    to_own: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Source(ABC):
    """Another manager or its database, from which nodes are taken over.

    `switches_off` says whether files are changed on the way, which can be undone. `noted` are files that are copied
    and never put back.
    """

    name: str
    switches_off = False
    noted: Sequence[str] = ()

    @abstractmethod
    def look(self, folder: TakeoverFolder | None) -> TakeoverPlan:
        """Plan from what is there now; what was moved to `folder` before is read there."""

    def running(self) -> Sequence[int]:
        """The processes of the old manager that have to end first."""
        return ()


def plan_text(plan: TakeoverPlan, *, database: str) -> str:
    """The plan for people, a section for each part of it; parts without anything in them are left out."""
    left_alone = [
        f"{each.name} ({each.place}): " + "; ".join(filter(None, (each.reason, each.remedy)))
        for each in plan.refused
    ]
    sections = [
        ("settings as found", [f"{name} = {text}" for name, text in plan.settings.items()]),
        (f"adopted as they are, nothing is restarted ({len(plan.adopted)})", _adopted(plan.adopted)),
        ("adopted as they lie, stopped", [f"{each.name}: {each.root_dir}" for each in plan.rows]),
        (f"left alone ({len(plan.refused)})", left_alone),
        ("moved away, so that nothing starts from it", list(plan.taken_out)),
        ("written", [f"{database} (new)", *(path for path, _ in plan.made)]),
        ("given to root, because systemd writes logs there as root", list(plan.to_own)),
        ("copied first, so that all of it can be undone", list(plan.kept)),
        ("worth knowing", list(plan.notes)),
        ("in the way", list(plan.problems)),
    ]
    parts = [f"takeover from {plan.source}"]
    for title, lines in sections:
        if lines:
            indented = [
                (2 + len(line) - len(line.lstrip(" ")), printable(line.lstrip(" "))) for line in lines
            ]
            parts.append("\n".join([title, *(" " * width + text for width, text in indented)]))
    return "\n\n".join(parts)


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
