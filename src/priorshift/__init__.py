"""priorshift: does teaching a language model to act change what it expects?"""

__version__ = "0.1.0"
