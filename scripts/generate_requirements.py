"""Write requirements.txt from the dependencies in pyproject.toml; --check only says whether it is current."""

import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
HEADER = "# Generated from pyproject.toml by scripts/generate_requirements.py; do not edit.\n"


def requirements(pyproject: str) -> str:
    """The text of requirements.txt for the text of a pyproject.toml."""
    dependencies: list[str] = tomllib.loads(pyproject)["project"]["dependencies"]
    return HEADER + "".join(f"{dependency}\n" for dependency in dependencies)


def main(arguments: list[str], checkout: Path = CHECKOUT) -> int:
    """Write the file, or compare with `--check`; returns the exit status (1 on drift)."""
    target = checkout / "requirements.txt"
    wanted = requirements((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    if arguments != ["--check"]:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if target.is_file() and target.read_text(encoding="utf-8") == wanted:
        return 0
    print("requirements.txt is out of date: run scripts/generate_requirements.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
