"""The messages api (Anthropic Messages)."""
