"""A part of the harness with a fixed seed, which must be borne; and versions of wnm that are broken, which must not."""

import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.chaos import results
from tests.chaos.__main__ import lacking
from tests.chaos.sandbox import CHECKOUT

MISSING = lacking()
needs_namespaces = pytest.mark.skipif(
    MISSING is not None and "TESTS_NEED_CHAOS" not in os.environ, reason=f"make chaos: {MISSING}"
)
WNM = Path(sys.executable).with_name("wnm")
# The harness keeps a copy of the database when all is settled for the first time.
SETTLED = '"$home/others/colony-1.db"'
SEED, EPISODES = 20, 5
ONE_EPISODE = ("--episodes", 1, "--seed", 1, "--first", 1, "--only", "one node killed")
STRAY = """sh -c 'sleep 99; :' --root-dir "$home/nodes/antnode0001\""""


def chaos(*words: object, wnm: Path = WNM) -> subprocess.CompletedProcess[str]:
    """`make chaos` with these words; nothing is recorded."""
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--no-record", *map(str, words)],
        cwd=CHECKOUT,
        env={**os.environ, "CHAOS_WNM": str(wnm)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@needs_namespaces
def test_a_part_with_a_fixed_seed_is_borne() -> None:
    ran = chaos("--seed", SEED, "--first", 1, "--episodes", EPISODES)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 failures" in ran.stdout


def broken(tmp_path: Path, before: str = "", after: str = "", run: str = '"$wnm" "$@"; code=$?') -> Path:
    """A wnm around the real one that does something else too."""
    program = tmp_path / "wnm"
    program.write_text(f"""#!/bin/sh
wnm={WNM}
home=$HOME
code=0
{before}
{run}
{after}
exit $code
""")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.slow
@needs_namespaces
@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"run": 'case "$*" in *--help*|*--init*) "$wnm" "$@"; code=$? ;; esac'}, "not-settled"),
        ({"after": f'[ -e {SETTLED} ] && rm -f "$home/nodes/antnode0001/secret-key"'}, "key-lost"),
        ({"after": f"[ -e {SETTLED} ] && code=4"}, "exit-code"),
        (
            {"after": f"[ -e {SETTLED} ] && {STRAY} >/dev/null 2>&1 &"},
            "runs-twice",
        ),
        ({"after": f'[ -e {SETTLED} ] && mkdir -p "$home/logs/antnode0077"'}, "not-settled"),
    ],
    ids=["does nothing", "deletes a key", "another code", "leaves a process", "leaves a folder"],
)
def test_a_broken_wnm_is_found_out(tmp_path: Path, parts: dict[str, str], found: str) -> None:
    ran = chaos(*ONE_EPISODE, wnm=broken(tmp_path, **parts))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"FOUND {found}" in ran.stdout, ran.stdout
    assert "again: make chaos REPLAY=1-1" in ran.stdout


# What is kept of a run


def played(*findings: tuple[str, str, str]) -> dict[str, object]:
    """What an episode prints at its end."""
    return {
        "episode": "3-4",
        "faults": [["killed at a step", True, 2], ["overlapping", False, 0], ["killed at a step", True, 5]],
        "findings": [
            {"fault": 1, "after": after, "kind": kind, "text": text, "detail": "grow"}
            for after, kind, text in findings
        ],
        "error": "",
    }


def new_run() -> results.Run:
    """A run that has not begun."""
    return results.Run(seed=3, first=4, last=4, commit="abc", started_at="2026-01-01T00:00:00+00:00")


KNOWN = results.Known(
    after="overlapping", kind="key-lost", words="antnode0001", reason="not mended", seed="3-1"
)


def test_faults_that_missed_their_moment_do_not_count() -> None:
    run = new_run()
    assert results.note(run, played(), ()) == []
    assert run.faults == Counter({"killed at a step": 2})
    assert (run.missed, run.slowest["killed at a step"]) == (1, 5)


def test_a_failure_that_is_known_is_counted_as_such() -> None:
    run = new_run()
    assert results.note(run, played(("overlapping", "key-lost", "the key of antnode0001")), [KNOWN]) == []
    assert (len(run.known), run.failures) == (1, [])


@pytest.mark.parametrize(
    "finding",
    [
        ("overlapping", "key-lost", "the key of antnode0002"),
        ("overlapping", "node-lost", "the key of antnode0001"),
        ("rebooted", "key-lost", "the key of antnode0001"),
    ],
)
def test_another_failure_is_not_the_known_one(finding: tuple[str, str, str]) -> None:
    run = new_run()
    assert len(results.note(run, played(finding), [KNOWN])) == 1
    assert (run.known, len(run.failures)) == ([], 1)


def test_runs_are_kept_and_the_next_goes_on_from_there(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    run = new_run()
    results.note(run, played(("rebooted", "key-lost", "gone")), ())
    results.append(run, file)
    results.append(run, file)
    assert results.read_runs(file) == [run, run]
    assert results.next_episode(3, results.read_runs(file)) == 5
    assert results.next_episode(4, results.read_runs(file)) == 1


def test_the_tables_name_what_was_done_and_what_failed() -> None:
    run = new_run()
    results.note(run, played(("rebooted", "key-lost", "gone")), ())
    results.note(run, played(("overlapping", "key-lost", "the key of antnode0001")), [KNOWN])
    text = results.tables([run], [KNOWN])
    assert text.startswith("4 faults in 1 runs on 1 commits, 2 more")
    assert "| killed at a step | 4 | 0 | 0 | 5 |" in text
    assert "| rebooted | key-lost | 3-4 |" in text
    assert "| overlapping | key-lost | not mended | 3-1 | 1 |" in text


def test_the_page_is_changed_between_its_marks_only() -> None:
    page = f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n"
    assert results.with_tables(page, "new\n") == f"before\n{results.BEGIN}\n\nnew\n\n{results.END}\nafter\n"
    with pytest.raises(ValueError, match="lacks"):
        results.with_tables("no marks", "new")
