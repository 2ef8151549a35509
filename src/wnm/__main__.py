"""`python -m wnm` is the same as `wnm`."""

from wnm.cli.main import run

if __name__ == "__main__":
    run()
