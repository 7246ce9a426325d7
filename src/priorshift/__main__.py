"""`python -m priorshift`: the command `priorshift` by another way."""

import sys

from priorshift.cli import main

sys.exit(main())
