"""A condition to its examples, and these to an adapter."""
