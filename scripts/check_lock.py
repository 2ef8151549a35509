"""Say whether requirements-dev.lock pins exactly, and all that pyproject.toml asks for, inside its bounds."""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent


def asked(pyproject: str) -> list[Requirement]:
    """Every requirement in the text of a pyproject.toml: to run, and to develop."""
    parsed = tomllib.loads(pyproject)
    groups = parsed["dependency-groups"]
    texts: list[str] = [*parsed["project"]["dependencies"], *groups["dev"], *groups.get("docs", ())]
    return [Requirement(text) for text in texts]


def complaints(pyproject: str, lock: str) -> list[str]:
    """Return the faults in the text of a lock, one line each; empty when it is right."""
    found: list[str] = []
    pins: dict[str, str] = {}
    for line in lock.splitlines():
        if not line or line.startswith("#"):
            continue
        pin, _, _marker = line.partition(";")
        name, exactly, version = pin.strip().partition("==")
        if not exactly or not name.replace("-", "").isalnum() or "*" in version:
            found.append(f"not an exact pin: {line}")
        pins[canonicalize_name(name)] = version
    for requirement in asked(pyproject):
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None:
            found.append(f"not pinned: {requirement}")
        elif not requirement.specifier.contains(pinned, prereleases=True):
            found.append(f"pinned to {pinned}, outside of: {requirement}")
    return found


def main(checkout: Path = CHECKOUT) -> int:
    """Print the complaints; returns the exit status."""
    pyproject = (checkout / "pyproject.toml").read_text(encoding="utf-8")
    found = complaints(pyproject, (checkout / "requirements-dev.lock").read_text(encoding="utf-8"))
    for line in found:
        print(f"requirements-dev.lock: {line} (run scripts/generate_lock.sh)", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
