"""Models of unbalanced panels with and without domains, for the tests of the restricted likelihood."""

from __future__ import annotations

import numpy as np

from priorshift.stats.reml import Reml
from priorshift.stats.simulation import Components, simulate

DOMAINS = np.repeat(np.arange(4), 4)


def draw(seed=0, runs=(4, 5), items=16):
    components = Components.from_sds(0.3, 0.5, 0.4, 0.3)
    treatment, control = simulate(np.random.default_rng(seed), components, runs, items)
    treatment[0, 0] = control[2, 3] = control[2, 4] = np.nan
    return treatment, control


def models():
    return [Reml(*draw(), pooled, domains) for pooled in (True, False) for domains in (None, DOMAINS)]
