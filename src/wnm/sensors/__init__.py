"""Readings of the machine and of nodes' metrics pages."""
