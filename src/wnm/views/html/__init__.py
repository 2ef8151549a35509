"""The status page: one self-contained HTML text."""
