"""The code that speaks each api: one folder each, with the same rooms."""
