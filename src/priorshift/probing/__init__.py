"""A model to its measurements."""
