"""The fake on a socket: the server, its workers, and faults of the connection."""
