"""Keeps workloads, what happened to them, and the machine's GPUs; the only package of the fleet that speaks SQL."""
