"""Decides when alerts are sent, and sends them."""
