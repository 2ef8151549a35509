"""Starts the fleet's command line, or says which extra it lacks."""

import sys

NEEDS_OPERATOR = 3


def main() -> None:
    """Run the command line of the process. Without the extra `fleet`: one line, and exit code 3."""
    try:
        from wnm_fleet.cli.main import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("wnm", "wnm_fleet"):
            raise
        remedy = "install wnm with its extra fleet, from a checkout: pipx install '.[fleet]'"
        sys.stderr.write(f"wnm-fleet: {error.name} is missing: {remedy}\n")
        sys.exit(NEEDS_OPERATOR)
    run()


if __name__ == "__main__":
    main()
