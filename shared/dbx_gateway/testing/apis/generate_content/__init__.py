"""The simulated generate-content api."""
