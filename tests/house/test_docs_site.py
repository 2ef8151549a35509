"""The documentation site is built without a warning and needs nothing from elsewhere; README leads to what is there."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
FETCHED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>")
LINKED = re.compile(r"<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>")
LINK = re.compile(r"\]\(([^)\s]+)\)")
LINES_OF_README = 150
# What tells where something was made does not belong into what is read elsewhere.
PLACES = re.compile(r"(?<![\w.])/(?:work|root/(?!anm\.stopped)|srv|home/(?!operator\b))\S*")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built; every broken link and anchor is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_it_fetches_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert FETCHED.findall(text) == []
        assert [each for each in LINKED.findall(text) if "canonical" not in each] == []


def test_it_can_be_searched_from_a_folder(site: Path) -> None:
    assert "ten nodes" in (site / "search/search_index.js").read_text(encoding="utf-8").lower()


def test_what_is_included_from_the_top_level_is_there(site: Path) -> None:
    assert "default manager" in (site / "reference/platform-support.html").read_text(encoding="utf-8")
    assert "Unreleased" in (site / "changelog.html").read_text(encoding="utf-8")


def test_readme_leads_to_files_that_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [unquote(each.partition("#")[0]) for each in LINK.findall(text) if "://" not in each]
    assert [each for each in links if not (ROOT / each).exists()] == []
    assert len(links) > 20


def test_readme_is_short_and_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_OF_README
    assert "make run " in text
    assert "make test " in text


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]), ids=lambda page: page.name
)
def test_no_page_names_places_of_the_machine_that_it_was_written_on(page: Path) -> None:
    assert PLACES.findall(page.read_text(encoding="utf-8")) == []
