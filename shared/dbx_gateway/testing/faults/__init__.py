"""Faults that a test injects, and faults at random."""
