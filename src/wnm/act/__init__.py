"""Changes things: carries out the actions that were decided."""
