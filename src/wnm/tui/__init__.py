"""`wnm watch`: a live view that reads what cycles recorded, and collects nothing itself."""
