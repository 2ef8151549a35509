"""Breaks things under the installed wnm, on purpose and by the thousand: `python -m tests.chaos`, or `make chaos`."""
