"""The Bayesian fits beside the tests, and their check by simulation: made where the study asks for them."""

from __future__ import annotations

from priorshift.pipeline.analyse import Items, Tables
from priorshift.pipeline.registration import mark_registration, tabulate_registration
from priorshift.stats.bayes import fit_claims
from priorshift.stats.bayes_level import simulate_coverage
from priorshift.study.load import Study


def tabulate_bayes(study: Study, items: Items) -> Tables:
    """Fit the declared contrasts with weakly informative priors: bayes. None where the study does not ask for it."""
    settings = study.params.inference
    if settings.bayes is None:
        return {}
    return mark_registration({"bayes": fit_claims(items.kept, settings, settings.bayes)}, tabulate_registration(study))


def tabulate_bayes_level(study: Study) -> Tables:
    """Check the Bayesian fits by simulation: bayes_level, bayes_ranks. None where the study does not ask for them."""
    prior = study.params.inference.bayes
    if prior is None:
        return {}
    level, ranks = simulate_coverage(prior, prior.simulations)
    return {"bayes_level": level, "bayes_ranks": ranks}
