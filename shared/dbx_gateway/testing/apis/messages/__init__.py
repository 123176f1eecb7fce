"""The simulated messages api."""
