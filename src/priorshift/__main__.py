"""`python -m priorshift`: the command `priorshift` by another way."""

from priorshift.cli import main

main()
