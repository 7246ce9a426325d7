"""From a condition to its training examples, and from these to an adapter."""
