"""The responses api (OpenAI Responses)."""
