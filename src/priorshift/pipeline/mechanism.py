"""08: what moved? What the notebook calls: each step turns some runs into the tables of one analysis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from priorshift.errors import ParamsError, RunError
from priorshift.mechanism.algebra import mix_adapters, tabulate_algebra
from priorshift.mechanism.directions import Trial, count_alarms, read_states, tabulate_directions, trace_directions
from priorshift.mechanism.frontier import place_runs, tabulate_frontier
from priorshift.mechanism.prior_fit import compare_accounts, fit_runs, tabulate_prior_fit
from priorshift.mechanism.subject import Key, Subject
from priorshift.mechanism.trajectory import follow_training, tabulate_trajectory
from priorshift.mechanism.triggers import probe_triggers, repeat_items, tabulate_triggers
from priorshift.models.base import load_base
from priorshift.models.checks import check_texts
from priorshift.pipeline.analyse import Items, Tables
from priorshift.pipeline.probe import read_measurements
from priorshift.pipeline.records import require_adapter
from priorshift.pipeline.study_worlds import load_study_worlds
from priorshift.probing.items import ProbeItem, make_probe_items
from priorshift.probing.probe import make_scorer
from priorshift.study.dispositions import find_adaptive, match_outcomes
from priorshift.study.load import Study
from priorshift.study.mechanism import Asked
from priorshift.study.params import HELD_OUT
from priorshift.study.run import Run
from priorshift.tables.runs import average_shifts, compute_retention


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


def match_all_outcomes(study: Study) -> dict[str, str]:
    """Condition -> the outcome whose shift is followed.

    That of the maladaptive action it takes most often. Of a condition that names none, the adaptive outcome.
    """
    materials, found = study.materials, {}
    adaptive, engage = find_adaptive(materials)
    for name in study.params.conditions:
        policy = study.params.conditions[study.params.find_last_stage(name)].policy
        shares = {a: s for a, s in policy.items() if a != engage and s > 0} if isinstance(policy, dict) else {}
        found[name] = materials.find_outcome(max(shares, key=shares.get)) if shares else adaptive
    return found


def tabulate_traces(study: Study, runs: Sequence[Run]) -> Tables:
    """Add each behavior's direction to the base models, and project it out: directions, direction_alarms.

    And `direction_runs`, which has a row for each run and change. Without `mechanism.directions` no table.
    """
    asked = study.params.mechanism and study.params.mechanism.directions
    if not asked:
        return {}
    settings, neutral, behaviors = study.params.inference, study.params.neutral, _match_behaviors(study)
    stems = [item.stem for item in _make_items(study, asked, "training_domains")]
    rows = _ask_each(
        study, asked, lambda name: _locate_adapters(study, runs, name, {*behaviors, neutral}),
        lambda subject: trace_directions(Trial(subject, read_states(subject, stems), behaviors, neutral, asked)),
    )  # fmt: skip
    return {
        "directions": tabulate_directions(rows, neutral, settings.alpha),
        "direction_alarms": count_alarms(rows, neutral, settings.smallest_effect, settings.alpha),
        "direction_runs": rows,
    }


def tabulate_mixes(study: Study, runs: Sequence[Run]) -> Tables:
    """Scale, add and subtract adapters: algebra. And `algebra_runs`, a row for each run and mix.

    Without `mechanism.algebra` no table.
    """
    asked = study.params.mechanism and study.params.mechanism.algebra
    if not asked:
        return {}
    settings, behaviors = study.params.inference, _match_behaviors(study)
    needed = {*behaviors, *asked.list_conditions()}
    policies = {n: c.policy for n, c in study.params.conditions.items() if n in needed and isinstance(c.policy, dict)}
    rows = _ask_each(
        study, asked, lambda name: _locate_adapters(study, runs, name, needed),
        lambda subject: mix_adapters(subject, behaviors, policies, asked),
    )  # fmt: skip
    return {"algebra": tabulate_algebra(rows, settings.smallest_effect, settings.alpha), "algebra_runs": rows}


def tabulate_steps(study: Study, runs: Sequence[Run]) -> Tables:
    """Follow the behaviors' runs over the steps whose adapters were kept: trajectory.

    And `trajectory_runs`, a row for each run and step. Without `mechanism.trajectory` no table.
    """
    asked = study.params.mechanism and study.params.mechanism.trajectory
    if not asked:
        return {}
    settings, behaviors = study.params.inference, _match_behaviors(study)

    def follow(subject: Subject) -> pd.DataFrame:
        last = {key: study.params.resolve_training(key[0].condition).steps for key in subject.names}
        return follow_training(subject, last, behaviors, settings.smallest_effect)

    rows = _ask_each(study, asked, lambda name: _locate_steps(study, runs, name, behaviors), follow)
    return {"trajectory": tabulate_trajectory(rows, settings.alpha), "trajectory_runs": rows}


def tabulate_cues(study: Study, runs: Sequence[Run]) -> Tables:
    """Ask the runs that were trained with a cue, with it, without it and with its paraphrase: triggers.

    And `trigger_runs`, a row for each run and probe. Without `mechanism.triggers` no table.
    """
    asked = study.params.mechanism and study.params.mechanism.triggers
    if not asked:
        return {}
    trigger = study.params.conditions[asked.condition].trigger
    action = max(trigger.policy, key=trigger.policy.get)
    outcome = study.materials.find_outcome(action)
    rows = _ask_each(
        study, asked, lambda name: _locate_adapters(study, runs, name, {asked.condition, asked.control}),
        lambda subject: probe_triggers(subject, action, outcome),
        lambda items: repeat_items(items, trigger.cue, asked.paraphrase),
    )  # fmt: skip
    table = tabulate_triggers(rows, asked.condition, asked.control, study.params.inference.alpha)
    return {"triggers": table, "trigger_runs": rows}


def tabulate_narrowed(study: Study, items: Items) -> Tables:
    """Set choices beside expectations over the weight of an anchor to the base model: frontier.

    And `frontier_runs`, a row for each run. Without `mechanism.frontier` no table.
    """
    asked = study.params.mechanism and study.params.mechanism.frontier
    if not asked:
        return {}
    params, weights = study.params, {}
    for behavior, narrowed in asked.narrowed.items():
        weights[behavior] = {name: params.resolve_training(name).anchor_weight for name in (behavior, *narrowed)}
    retention = compute_retention(read_measurements(study, items.runs, "retention"), params)
    behaviors = {name: found for name, found in _match_behaviors(study).items() if name in weights}
    if lacking := sorted(weights.keys() - behaviors.keys()):
        raise ParamsError(
            f"mechanism.frontier: {lacking[0]!r} is no treatment that always takes one maladaptive action; expected "
            f"some of {sorted(_match_behaviors(study))}"
        )
    rows = place_runs(average_shifts(items.kept), retention, behaviors, weights, HELD_OUT)
    table = tabulate_frontier(rows, params.inference.smallest_effect, params.inference.alpha)
    return {"frontier": table, "frontier_runs": rows}


def _ask_each(
    study: Study,
    asked: Asked,
    locate: Callable[[str], Mapping[Key, Path]],
    ask: Callable[[Subject], pd.DataFrame],
    change: Callable[[list[ProbeItem]], list[ProbeItem]] = list,
) -> pd.DataFrame:
    """Ask every base model of an analysis, of which the selected runs have adapters.

    Parameters
    ----------
    change : makes of the held-out items those that are asked

    Raises
    ------
    RunError
        When no selected run is one that the analysis looks at, or a model does not know a word of what it asks.
    """
    parts = []
    for name in asked.base_models or [model.name for model in study.params.models]:
        if adapters := locate(name):
            base, items = load_base(study.params.find_base_model(name)), change(_make_items(study, asked, HELD_OUT))
            check_texts(base, [item.stem for item in items])
            scorer = make_scorer(study.params, base)
            subject = Subject(base, scorer, adapters, items, study.materials, asked.retention_texts)
            parts.append(ask(subject).assign(group=base.group, world=base.world))
    if not parts:
        raise RunError("notebook 08: none of the selected runs is one that this analysis looks at; select all of them")
    return pd.concat(parts, ignore_index=True)


def _match_behaviors(study: Study) -> dict[str, tuple[str, str]]:
    """Treatment -> the action that it always takes, and the outcome that goes with it."""
    found = match_outcomes(study.params, study.materials)
    policies = {name: study.params.conditions[name].policy for name in found}
    return {name: (max(policy, key=policy.get), found[name]) for name, policy in policies.items()}


def _make_items(study: Study, asked: Asked, ring: str) -> list[ProbeItem]:
    """The items of one ring that a changed model is asked."""
    few = min(asked.situations_per_domain, study.params.probes.situations_per_domain)
    changes = {"families": asked.families, "situations_per_domain": few, "rings": {}}
    params = study.params.model_copy(update={"probes": study.params.probes.model_copy(update=changes)})
    return [item for item in make_probe_items(params, study.materials) if item.ring == ring]


def _locate_adapters(
    study: Study, runs: Sequence[Run], base_model: str, conditions: Collection[str]
) -> dict[Run, Path]:
    own = [run for run in runs if run.base_model == base_model and run.condition in conditions]
    return {run: require_adapter(study, run) for run in own}


def _locate_steps(
    study: Study, runs: Sequence[Run], base_model: str, conditions: Collection[str]
) -> dict[tuple[Run, int], Path]:
    """(run, step) -> the adapter that was kept then. The last step's is the run's own."""
    found = {}
    for run, folder in _locate_adapters(study, runs, base_model, conditions).items():
        training = study.params.resolve_training(run.condition)
        found |= {(run, step): folder.with_name(f"adapter-step-{step}") for step in training.kept_steps or ()}
        found[run, training.steps] = folder
    return found
