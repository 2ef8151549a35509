"""Turns argv into an exit code."""
