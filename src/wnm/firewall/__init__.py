"""Firewalls: open and close the ports of nodes."""
