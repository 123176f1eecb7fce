"""The simulated model: what it answers, and which tools it calls."""
