"""Measurements to the tables that are written."""
