"""Faults on request and by chance."""
