"""Pure: from what was seen and wished to what is done."""
