"""Takes over what is already there: the nodes of anm, of other services, of an older database."""
