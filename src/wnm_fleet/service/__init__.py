"""Does what a command asks for, once, for the command line and the gateway alike."""
