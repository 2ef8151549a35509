"""Reads only: everything one cycle needs to know, as one Observation."""
