"""The simulated responses api."""
