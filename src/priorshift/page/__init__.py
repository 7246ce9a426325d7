"""A study's findings -> one HTML page that a reader can touch, and the same sections in a notebook."""
