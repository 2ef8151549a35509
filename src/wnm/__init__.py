"""wnm keeps one machine's nodes running by itself; start reading at `cycle.py`."""

__version__ = "0.1.0"
