"""Where work on parts is done: on this machine, later on a cluster."""
