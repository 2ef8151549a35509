"""Write the generated pages of docs/reference; with --check, fail if one of them is out of date."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.reference.commands import commands_markdown, exit_codes_markdown
from scripts.reference.json import json_markdown
from scripts.reference.metrics import metrics_markdown
from scripts.reference.schema import schema_markdown
from scripts.reference.settings import settings_markdown

# The tests hold these to what wnm really writes; every metric is in the one or the other.
EXPOSITIONS = ("tests/views/cases/busy.prom", "tests/views/cases/three_nodes.prom")


def _metrics() -> str:
    return metrics_markdown((ROOT / name).read_text(encoding="utf-8") for name in EXPOSITIONS)


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings_markdown,
    "docs/reference/commands.md": commands_markdown,
    "docs/reference/exit-codes.md": exit_codes_markdown,
    "docs/reference/database.md": schema_markdown,
    "docs/reference/metrics.md": _metrics,
    "docs/reference/json.md": json_markdown,
}


def main() -> int:
    """Return 0 when every page is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on drift")
    check = parser.parse_args().check
    stale = [name for name, page in PAGES.items() if _current(ROOT / name) != page()]
    if check:
        for name in stale:
            print(f"{name} is out of date: run 'python scripts/generate_docs.py'", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote {name}")
    return 0


def _current(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
