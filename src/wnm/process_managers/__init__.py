"""Hands: start, stop and look at node processes."""
