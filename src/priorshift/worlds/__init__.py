"""Calibration worlds: text whose probabilities are known, and the small models pretrained on it."""
