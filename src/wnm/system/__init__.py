"""The operating system as small functions without domain words."""
