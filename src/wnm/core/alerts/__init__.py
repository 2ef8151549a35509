"""What is worth waking somebody for: conditions, how long they have to last, and what is said of them."""
