"""Calibration worlds: text of which the truth is known, and the small models that learn it."""
