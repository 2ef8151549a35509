"""The simulated node program and the simulated machine."""
