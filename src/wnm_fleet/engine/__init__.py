"""Runs containers: what an engine promises, and the engines."""
