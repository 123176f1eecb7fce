"""Which model is asked, what it accepts, and where it is served."""
