"""What came of the faults: the file of results, the failures that are known, and the tables of the reliability page."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.jsonl"
KNOWN = FOLDER / "known.json"
PAGE = FOLDER.parents[1] / "docs" / "explanation" / "reliability.md"
BEGIN, END = "<!-- chaos: begin, generated -->", "<!-- chaos: end -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A failure that the tree does not bear yet: findings of this `kind` after this fault whose text has `words`.

    `after` may be `*` for any fault. `seed` is the episode in which it was met.
    """

    after: str
    kind: str
    words: str
    reason: str
    seed: str

    def fits(self, failure: "Failure") -> bool:
        """Whether a failure is this one."""
        same = failure.kind == self.kind and self.after in ("*", failure.after)
        return same and self.words in f"{failure.detail} {failure.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that must not be so: what was found (`kind`, `text`) after which fault of which episode."""

    episode: str
    fault: int
    after: str
    detail: str
    kind: str
    text: str


@dataclass(kw_only=True)
class Run:
    """One `make chaos`: its episodes are SEED-FIRST to SEED-LAST; `missed` are faults whose moment never came."""

    seed: int
    first: int
    last: int
    commit: str
    started_at: str
    seconds: float = 0
    faults: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    slowest: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    known: list[Failure] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.faults.total()

    def line(self) -> str:
        """The run as a line of the file of results."""
        return json.dumps({**asdict(self), "faults": dict(sorted(self.faults.items()))})


def read_runs(path: Path = RESULTS) -> list[Run]:
    """All runs that were recorded."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [_run(json.loads(line)) for line in lines if line.strip()]


def _run(data: dict[str, object]) -> Run:
    made = Run(**data)  # type: ignore[arg-type]
    made.faults = Counter(made.faults)
    made.failures = [Failure(**each) for each in data["failures"]]  # type: ignore[attr-defined]
    made.known = [Failure(**each) for each in data["known"]]  # type: ignore[attr-defined]
    return made


def append(run: Run, path: Path = RESULTS) -> None:
    """Add a run to the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(run.line() + "\n")


def next_episode(seed: int, runs: Sequence[Run]) -> int:
    """The number of the first episode of this seed that no run has played."""
    return max((run.last for run in runs if run.seed == seed), default=0) + 1


def known_failures(path: Path = KNOWN) -> tuple[Known, ...]:
    """The failures that are known."""
    return tuple(Known(**each) for each in json.loads(path.read_text(encoding="utf-8")))


def note(run: Run, played: Mapping[str, object], known: Sequence[Known]) -> list[Failure]:
    """Count an episode's faults and failures in; returns the failures that nobody knows yet."""
    for kind, struck, cycles in played["faults"]:  # type: ignore[attr-defined]
        if struck:
            run.faults[kind] += 1
        else:
            run.missed += 1
        run.slowest[kind] = max(run.slowest.get(kind, 0), cycles)
    failures = [Failure(episode=str(played["episode"]), **each) for each in played["findings"]]  # type: ignore[attr-defined]
    # What is known may bring other findings with it: the first decides.
    if failures and any(each.fits(failures[0]) for each in known):
        run.known += failures[:1]
        failures = []
    run.failures += failures
    if played["error"]:
        run.errors.append(f"{played['episode']}: {played['error']}")
    return failures


# The tables


def tables(runs: Sequence[Run], known: Sequence[Known]) -> str:
    """Markdown: what was injected, what failed, and what is known to fail."""
    total = sum(run.count for run in runs)
    commits = list(dict.fromkeys(run.commit for run in runs))
    failures = [failure for run in runs for failure in run.failures]
    lines = [
        f"{total:,} faults in {len(runs)} runs on {len(commits)} commits, {sum(run.missed for run in runs):,} more "
        "were meant for a moment that never came and do not count.",
        "",
        *_by_kind(runs),
        "",
        "| commit | started | seed | faults | failures | known failures | minutes |",
        "| --- | --- | --: | --: | --: | --: | --: |",
        *(
            f"| `{run.commit}` | {run.started_at[:16].replace('T', ' ')} | {run.seed} | {run.count:,} "
            f"| {len(run.failures)} | {len(run.known)} | {run.seconds / 60:.0f} |"
            for run in runs
        ),
        "",
        *_failures(failures, known),
        "Not borne yet, with the episode that shows it (`make chaos REPLAY=SEED`):",
        "",
        "| after | what is seen | why | seed | met |",
        "| --- | --- | --- | --- | --: |",
    ]
    for each in known:
        met = sum(each.fits(failure) for run in runs for failure in run.known)
        after = "any fault" if each.after == "*" else each.after
        lines.append(f"| {after} | {each.kind} | {each.reason} | {each.seed} | {met} |")
    if not known:
        lines = lines[:-4]
    return "\n".join(lines).rstrip() + "\n"


def _by_kind(runs: Sequence[Run]) -> list[str]:
    faults, slowest = Counter[str](), dict[str, int]()
    bad, known = Counter[str](), Counter[str]()
    for run in runs:
        faults += run.faults
        bad.update(failure.after for failure in run.failures)
        known.update(failure.after for failure in run.known)
        for kind, cycles in run.slowest.items():
            slowest[kind] = max(slowest.get(kind, 0), cycles)
    rows = [
        f"| {kind} | {count:,} | {bad[kind]} | {known[kind]} | {slowest.get(kind) or '-'} |"
        for kind, count in faults.most_common()
    ]
    head = (
        "| kind of fault | injected | failures | known failures | most cycles until all was as it should be |"
    )
    return [head, "| --- | --: | --: | --: | --: |", *rows]


def _failures(failures: Sequence[Failure], known: Sequence[Known]) -> list[str]:
    """Those that were failures when they were met; some may be known or mended by now."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for each in failures:
        if not any(one.fits(each) for one in known):
            groups.setdefault((each.after, each.kind), []).append(each)
    if not groups:
        return []
    head = ["Failures that were met, by the commit of their run:", "", "| after | what was seen | seeds |"]
    rows = [
        f"| {after} | {kind} | {', '.join(dict.fromkeys(each.episode for each in found[:5]))} |"
        for (after, kind), found in groups.items()
    ]
    return [*head, "| --- | --- | --- |", *rows, ""]


def with_tables(page: str, text: str) -> str:
    """The page with these tables in it. ValueError if it has no place for them."""
    before, found, rest = page.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not found or not ends:
        raise ValueError(f"the page lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"
