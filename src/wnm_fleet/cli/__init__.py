"""The fleet's command line."""
