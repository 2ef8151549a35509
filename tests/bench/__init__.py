"""What a cycle costs; run with `make bench`."""
