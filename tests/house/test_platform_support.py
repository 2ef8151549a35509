"""PLATFORM-SUPPORT.md says what the code does."""

import re
from pathlib import Path

import pytest

from wnm.core.host import Host, data_folder, default_manager, log_folder, node_folder
from wnm.core.settings import SPECS
from wnm.node_kinds.kinds import KINDS
from wnm.wiring import DRIVERS, FIREWALLS

PAGE = Path(__file__).parents[2] / "PLATFORM-SUPPORT.md"
SUPPORTED = {"process_manager": set(DRIVERS), "firewall": set(FIREWALLS), "node_kind": set(KINDS)}
HOSTS = {
    "Linux user": Host(platform="linux", is_root=False, user="u", home="~", environ={}, usable_cores=1),
    "Linux root": Host(platform="linux", is_root=True, user="root", home="~", environ={}, usable_cores=1),
    "macOS": Host(platform="darwin", is_root=False, user="u", home="~", environ={}, usable_cores=1),
}


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, each cell stripped, header and ruler included."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


@pytest.mark.parametrize("option", SUPPORTED)
def test_parts_are_those_of_the_code(option: str) -> None:
    row = next(row for row in table("Parts") if row[1] == f"`{option}`")
    assert words(row[2]) == SUPPORTED[option]
    known = set(SPECS[option].form.choices)
    assert words(row[2]) | words(row[3]) == known


@pytest.mark.parametrize("system", HOSTS)
def test_places_are_those_of_the_code(system: str) -> None:
    rows = table("Places")
    column = rows[0].index(system)
    found = [row[column].strip("`") for row in rows[2:]]
    host = HOSTS[system]
    assert found == [data_folder(host), node_folder(host), log_folder(host), default_manager(host)]
