"""One file per report; values in, text out."""
