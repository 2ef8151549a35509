"""Write the tables of docs/explanation/reliability.md from the faults that were injected; --check only compares."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from tests.chaos import results


def main(arguments: list[str]) -> int:
    """Write the page, or compare with `--check`; returns the exit status (1 on drift)."""
    page = results.PAGE.read_text(encoding="utf-8")
    wanted = results.with_tables(page, results.tables(results.read_runs(), results.known_failures()))
    if arguments != ["--check"]:
        results.PAGE.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        print("reliability.md is out of date: run scripts/generate_reliability.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
