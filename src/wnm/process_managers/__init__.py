"""Process managers: start, stop and look at node processes."""
