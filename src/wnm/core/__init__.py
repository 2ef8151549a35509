"""Pure values and decisions: no input, output, clock or randomness."""
