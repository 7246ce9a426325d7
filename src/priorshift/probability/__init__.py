"""Exact probabilities of text under a causal language model, and divergences between distributions."""
