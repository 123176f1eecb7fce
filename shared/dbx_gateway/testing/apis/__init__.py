"""Each api as the simulated workspace reads and writes it, with code of its own."""
