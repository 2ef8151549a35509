"""Writes the pages of docs/reference that are made from the declarations in the code."""
