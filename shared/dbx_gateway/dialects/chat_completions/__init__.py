"""The chat-completions api (OpenAI Chat Completions)."""
