"""The simulated chat-completions api."""
