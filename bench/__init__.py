"""The benchmark behind `make bench`: our Scorer against plain Transformers, minicons and lm-evaluation-harness."""
