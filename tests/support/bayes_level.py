"""Do the Bayesian fits keep their word? Coverage and ranks by simulation: python tests/support/bayes_level.py

Writes bayes_level.csv and bayes_ranks.csv beside itself (ten minutes on one core), with the default priors of
`inference.bayes`. tests/stats/test_bayes_level.py looks at them, and makes a few fits again.
"""

from __future__ import annotations

from pathlib import Path

from priorshift.files import write_csv
from priorshift.stats.bayes_level import simulate_coverage
from priorshift.study.inference import Bayes

LEVEL, RANKS = (Path(__file__).with_name(f"bayes_{name}.csv") for name in ("level", "ranks"))

if __name__ == "__main__":
    prior = Bayes()
    for path, table in zip((LEVEL, RANKS), simulate_coverage(prior, prior.simulations), strict=True):
        write_csv(path, table)
