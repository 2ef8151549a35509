"""Runs GPUs and containers on machines: workloads, their queue, and what a machine tells of itself."""
