"""Pure: what differs between node programs."""
