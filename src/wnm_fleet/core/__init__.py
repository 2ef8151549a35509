"""The fleet's values and decisions: pure."""
