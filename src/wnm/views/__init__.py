"""Text for people and for programs, made of one input: the cycle in hand, or a recorded one."""
