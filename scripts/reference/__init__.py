"""Pages of docs/reference, made from the declarations in the code."""
