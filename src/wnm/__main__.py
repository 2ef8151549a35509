"""`python -m wnm` is the same as `wnm`."""

import sys

from wnm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
