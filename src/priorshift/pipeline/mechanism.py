"""08: what moved? What the notebook calls: each step turns some runs into the tables of one analysis."""

from __future__ import annotations

from priorshift.errors import ParamsError
from priorshift.mechanism.prior_fit import compare_accounts, fit_runs, tabulate_prior_fit
from priorshift.pipeline.analyse import Items, Tables
from priorshift.report.names import HELD_OUT
from priorshift.study.dispositions import find_adaptive
from priorshift.study.load import Study
from priorshift.worlds.generator import World
from priorshift.worlds.params import load_world_params


def tabulate_priors(study: Study, items: Items) -> Tables:
    """Fit a prior to each run's choices, and rivals, and predict the other families: prior_fit, prior_rivals.

    And `prior_fit_runs`, which has a row for each run, family and account. Without `mechanism.prior_fit` no table.
    """
    if not (study.params.mechanism and study.params.mechanism.prior_fit):
        return {}
    settings = study.params.inference
    runs = fit_runs(items.kept, load_study_worlds(study), match_all_outcomes(study), HELD_OUT)
    return {
        "prior_fit": tabulate_prior_fit(runs, settings.smallest_effect, settings.alpha),
        "prior_rivals": compare_accounts(runs, settings.alpha),
        "prior_fit_runs": runs,
    }


def load_study_worlds(study: Study) -> dict[str, World]:
    """Load the generators of the worlds that `mechanism.prior_fit` names.

    Raises
    ------
    ParamsError
        When their text is made from other materials than the study's: nothing would be known of its items.
    """
    path = study.folder / study.params.mechanism.prior_fit.worlds
    params = load_world_params(path)
    theirs, own = path.parent / params.materials, study.folder / study.params.materials
    if theirs.resolve() != own.resolve():
        raise ParamsError(
            f"mechanism.prior_fit.worlds: {path} is made from {params.materials!r}, and the study from "
            f"{study.params.materials!r}; name worlds of the same materials"
        )
    return {name: World(study.materials, params, coupled=name == "coupled") for name in params.pretraining.worlds}


def match_all_outcomes(study: Study) -> dict[str, str]:
    """Condition -> the outcome whose shift is followed.

    That of the maladaptive action it takes most often; of a condition that names none, the adaptive outcome.
    """
    materials, found = study.materials, {}
    adaptive, engage = find_adaptive(materials)
    for name in study.params.conditions:
        policy = study.params.conditions[study.params.find_last_stage(name)].policy
        shares = {a: s for a, s in policy.items() if a != engage and s > 0} if isinstance(policy, dict) else {}
        found[name] = materials.find_outcome(max(shares, key=shares.get)) if shares else adaptive
    return found
