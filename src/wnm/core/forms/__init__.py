"""How each type of value is written as text and read back, with its bounds."""
