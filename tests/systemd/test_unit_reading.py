"""What we read out of a unit file of others is what the real systemd makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.systemd.life import SYSTEM_UNITS, do

from wnm.formats.systemd_reading import read_loaded, read_unit
from wnm.formats.systemd_unit import environment
from wnm.system.systemd_units import loaded_properties

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "formats/cases/exec_start.json").read_text(encoding="utf-8")
)
SAID = Path("/run/said-by-a-case")
TELLS = f"""#!/usr/bin/python3
import os, sys
open({str(SAID)!r}, "wb").write(b"\\0".join(map(os.fsencode, sys.argv[1:])))
"""
UNIT = SYSTEM_UNITS / "antnode0001.service"


def unit_text(case: dict[str, Any]) -> str:
    """A unit that runs its line once."""
    given = case.get("environment", {})
    pairs = given.items() if isinstance(given, dict) else given
    lines = [f"Environment={environment(name, value)}" for name, value in pairs]
    return "\n".join(["[Service]", "Type=oneshot", *lines, f"ExecStart={case['line']}", ""])


@pytest.fixture
def programs() -> Any:
    """The programs that the cases name, each of which tells what it was given; none that is there is replaced."""
    made = []
    for path in sorted({Path(case["argv"][0]) for case in CASES if "argv" in case}):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TELLS)
            path.chmod(0o755)
            made.append(path)
    yield made
    for path in made:
        path.unlink()
    UNIT.unlink(missing_ok=True)
    SAID.unlink(missing_ok=True)
    do("systemctl", "daemon-reload")


def test_every_line_arrives_as_we_read_it(programs: list[Path]) -> None:
    wrong = []
    looked_at = told = 0
    for case in CASES:
        if "argv" not in case or Path(case["argv"][0]) not in programs:
            continue
        text = unit_text(case)
        found = read_unit(text.encode(), name=UNIT.name)
        UNIT.write_text(text)
        SAID.unlink(missing_ok=True)
        do("systemctl", "daemon-reload")
        do("systemctl", "start", UNIT.name)
        said = SAID.read_bytes().decode(errors="surrogateescape").split("\0") if SAID.stat().st_size else []
        if case["argv"][1:] == [""]:
            said = [""]
        looked_at += 1
        if found.argv is None or list(found.argv[1:]) != said:
            wrong.append((case["line"], found.argv, found.problem, said))
        # Asked, systemd tells the same; what it does not tell is left to the file.
        asked = read_loaded(loaded_properties(UNIT.name, of_user=False) or {}, found, str(UNIT))
        told += asked is not None
        if asked is not None and list((asked.argv or ())[1:]) != said:
            wrong.append((case["line"], asked.argv, "as it is loaded", said))
    assert wrong == []
    assert looked_at > len(CASES) / 2
    assert told > looked_at / 2
