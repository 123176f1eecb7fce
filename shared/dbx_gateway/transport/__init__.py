"""The only I/O of the core: sending requests, reading bytes, deadlines, connections."""
