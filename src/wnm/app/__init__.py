"""Holds the use cases: each command once, without argv and without print."""
