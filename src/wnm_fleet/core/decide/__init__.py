"""The fleet's decisions, each a function of what was seen."""
