"""The use cases: each command once, without argv."""
