"""Stores what wnm remembers, in one SQLite file: the only package that speaks SQL."""
