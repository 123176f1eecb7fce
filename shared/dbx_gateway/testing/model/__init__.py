"""The simulated model: its answers, and the tools it calls."""
