"""The code that speaks each api: one module each."""
