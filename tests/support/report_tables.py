"""The tables that the report's texts and figures read, made from synthetic shifts of a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from support.synthetic_items import BEHAVIORS, settings, study

from priorshift.stats.claims import estimate_claims
from priorshift.stats.confusion import classify_runs
from priorshift.stats.panels import average_runs
from priorshift.stats.specificity import dissociate_behaviors

SETTINGS = settings()
HUB = [("hub/model", "hub/model", "")]


def make_tables(items=None, declared=SETTINGS):
    """contrasts, equivalence, equivalence_curve, world_difference, not_estimable, specificity, confusion, shifts; and
    registration, of a study that has none.
    """
    items = study() if items is None else items
    return {
        **estimate_claims(items, declared),
        "specificity": dissociate_behaviors(items, declared, BEHAVIORS)[0],
        "confusion": classify_runs(items, declared, tuple(BEHAVIORS.values()))[0],
        "registration": make_registration(),
        "shifts": add_probabilities(average_runs(items).rename(columns={"mean_shift": "shift"})),
    }


def make_registration(**changes):
    """The table `registration`: of a study that was not registered, but for the changes."""
    values = {"registration": "", "status": "declared", "registered": "", "sha256": "", "differs": "", "late": False}
    return pd.DataFrame([{**values, "analysis": "", **changes}])


def add_probabilities(shifts, before=0.25, covered=0.5):
    """The same with the probabilities that go with the shifts, from one base probability, and a covered mass."""
    odds = before / (1 - before) * np.exp(shifts["shift"])
    return shifts.assign(probability=odds / (1 + odds), base_probability=before, base_covered_mass=covered)
