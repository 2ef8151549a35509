"""Pure: every text that other programs speak, one file each."""
