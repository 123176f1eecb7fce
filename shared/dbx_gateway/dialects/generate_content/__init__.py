"""The generate-content api (Gemini generateContent)."""
