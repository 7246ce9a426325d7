"""What the analysis notebooks call: each step turns the measurements of some runs into named tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from priorshift.errors import UserError
from priorshift.files import write_csv
from priorshift.materials.schema import NEXT_WORDS
from priorshift.pipeline.probe import list_measured_tables, read_measurements
from priorshift.pipeline.registration import mark_registration, tabulate_registration
from priorshift.pipeline.train import read_losses
from priorshift.pipeline.training_sets import read_examples
from priorshift.probing.items import make_probe_items
from priorshift.stats.bootstrap import bootstrap_claims
from priorshift.stats.claims import estimate_claims
from priorshift.stats.confusion import classify_runs
from priorshift.stats.contrasts import estimate_contrasts, list_pairs
from priorshift.stats.declared import CONTRAST_KEY, Settings, list_contrasts
from priorshift.stats.domain_level import simulate_domain_level
from priorshift.stats.hard_cases import simulate_hard_cases
from priorshift.stats.influence import leave_one_out
from priorshift.stats.jsd_permutation import compare_jsd
from priorshift.stats.level import compare_alike, count_rejections
from priorshift.stats.meta_analysis import combine_models
from priorshift.stats.panels import PROBE, keep_group_items
from priorshift.stats.power import estimate_checkpoint_power, estimate_power
from priorshift.stats.specifications import estimate_specifications
from priorshift.stats.specificity import dissociate_behaviors
from priorshift.study.dispositions import find_adaptive, list_maladaptive_outcomes, match_outcomes
from priorshift.study.load import Study
from priorshift.study.params import HELD_OUT
from priorshift.study.run import Run
from priorshift.study.sections import Exclusion
from priorshift.tables.dose_recovery import select_dose_points, tabulate_doses, tabulate_recovery
from priorshift.tables.exclusion import EXCLUDED, compare_contrasts, leave_out, list_excluded_items
from priorshift.tables.next_words import average_next_words
from priorshift.tables.placement import compute_transfer
from priorshift.tables.questionnaire import compare_self_report, score_scales
from priorshift.tables.runs import (
    average_jsd,
    average_last_losses,
    average_shifts,
    check_choices,
    compute_retention,
    list_not_estimable,
    sum_token_classes,
)
from priorshift.tables.training_amount import tabulate_training_amounts
from priorshift.tables.written_text import compare_texts, measure_texts, pick_samples

Tables = dict[str, pd.DataFrame]


class Items(NamedTuple):
    """The measured items of some runs.

    Attributes
    ----------
    runs : the runs, in the study's order
    measured : every item, one row per run, item and outcome
    excluded : those that the study's criteria leave out, with the reason; columns `EXCLUDED`
    kept : `measured` without them
    """

    runs: list[Run]
    measured: pd.DataFrame
    excluded: pd.DataFrame
    kept: pd.DataFrame


def read_items(study: Study, runs: list[Run]) -> Items:
    """Read the measured items of the runs and leave out those that the study's criteria exclude.

    Raises
    ------
    RunError
        When a run is not measured, or its measurements are damaged or outdated.
    UserError
        When the criteria leave no item on held-out domains of any base model.
    """
    measured = read_measurements(study, runs, "items")
    excluded = exclude_items(study, runs, measured)
    return Items(runs, measured, excluded, leave_out(measured, excluded))


def exclude_items(study: Study, runs: list[Run], measured: pd.DataFrame) -> pd.DataFrame:
    """List the items that the study's criteria leave out (none without an `exclusion` section), with the reason.

    Raises
    ------
    UserError
        When they leave no item on held-out domains of any base model: that ring is what figures and claims are about.
    """
    if study.params.exclusion == Exclusion():
        return pd.DataFrame(columns=EXCLUDED)
    training = {example.prompt + example.completion for run in runs for example in read_examples(study, run)}
    excluded = list_excluded_items(
        measured, make_probe_items(study.params, study.materials), training, study.params.exclusion
    )
    near = measured[measured["ring"] == HELD_OUT]
    if len(near) and leave_out(near, excluded).empty:
        reasons = "; ".join(sorted(excluded["reason"].unique()))
        raise UserError(
            f"exclusion: its criteria leave no item of any base model on held-out domains ({reasons}): loosen them"
        )
    return excluded


def tabulate_claims(study: Study, items: Items) -> Tables:
    """Estimate every contrast once, correct once: contrasts, equivalence (and its curve over margins),
    world_difference, not_estimable. And registration: whether the declared claims may be called confirmatory.

    Also specificity (does each behavior move its own outcome?) and confusion (can a run's condition be told from its
    expectations?). What none of them could estimate stands in not_estimable, with the reason.
    """
    settings = study.params.inference
    tables = estimate_claims(items.kept, settings, items.measured)
    tables["specificity"], undissociated = dissociate_behaviors(
        items.kept, settings, match_outcomes(study.params, study.materials)
    )
    tables["confusion"], unassigned = classify_runs(items.kept, settings, list_maladaptive_outcomes(study.materials))
    tables["not_estimable"] = list_not_estimable(tables["not_estimable"], undissociated, unassigned)
    standing = tabulate_registration(study)
    return mark_registration(tables, standing) | {"registration": standing}


def tabulate_meta_analysis(study: Study, items: Items) -> Tables:
    """Combine each contrast over base models: synthesis, synthesis_models. None where there are no two to combine."""
    settings = study.params.inference
    combined, models = combine_models(items.kept, list_pairs(settings, settings.treatments), settings.alpha)
    tables = {"synthesis": combined, "synthesis_models": models} if len(combined) else {}
    return mark_registration(tables, tabulate_registration(study))


def tabulate_robustness(study: Study, items: Items) -> Tables:
    """Ask what the declared contrasts depend on: bootstrap, influence, specifications."""
    settings = study.params.inference
    tables = {
        "bootstrap": bootstrap_claims(items.kept, settings),
        "influence": leave_one_out(items.kept, settings),
        "specifications": estimate_specifications(items.kept, settings, find_adaptive(study.materials), items.measured),
    }
    return mark_registration(tables, tabulate_registration(study))


def tabulate_power(study: Study, items: Items, tables: Tables) -> Tables:
    """Say how much power more runs, or more base checkpoints, would give: power, power_base.

    Parameters
    ----------
    tables : `tabulate_claims`
    """
    settings = study.params.inference
    made = {
        "power": estimate_power(items.kept, settings),
        "power_base": estimate_checkpoint_power(tables["contrasts"], tables["equivalence"], settings),
    }
    return mark_registration(made, tabulate_registration(study))


def tabulate_distributions(study: Study, items: Items) -> Tables:
    """Compare whole next-token distributions (JSD in bits): jsd, jsd_tokens, jsd_tests."""
    settings = study.params.inference
    next_token, tokens = (
        leave_out(read_measurements(study, items.runs, name), items.excluded) for name in ("next_token", "tokens")
    )
    tests = {"jsd_tests": compare_jsd(next_token, settings, settings.treatments, study.params.neutral)}
    return {
        "jsd": average_jsd(next_token, settings.alpha),
        "jsd_tokens": sum_token_classes(tokens),
        **mark_registration(tests, tabulate_registration(study)),
    }


def tabulate_runs(study: Study, items: Items) -> Tables:
    """Say what training did to each run: choice_check, retention, last_losses, shifts."""
    return {
        "choice_check": check_choices(items.kept, study.params),
        "retention": compute_retention(read_measurements(study, items.runs, "retention"), study.params),
        "last_losses": average_last_losses(read_losses(study, items.runs)),
        "shifts": average_shifts(items.kept),
    }


def tabulate_design(study: Study, items: Items, runs: Tables) -> Tables:
    """Tabulate the wider design, as far as the study measures it. Tables without rows are left out.

    training, dose, dose_points, recovery, next_words, scales, self_report, completions, valence, excluded,
    exclusion_effect.

    Parameters
    ----------
    runs : the tables by `tabulate_runs`
    """
    shifts, texts = runs["shifts"], None
    params, materials, alpha = study.params, study.materials, study.params.inference.alpha
    nested = average_shifts(keep_group_items(items.kept))  # base models are compared on the same items
    points, nested_points = (select_dose_points(means, params, materials) for means in (shifts, nested))
    tables = {"dose_points": points, "dose": tabulate_doses(points, nested_points, alpha)}
    tables["recovery"] = tabulate_recovery(shifts, nested, params, materials, alpha)
    measured = list_measured_tables(study)
    if NEXT_WORDS in measured:
        moved = read_measurements(study, items.runs, NEXT_WORDS)
        tables[NEXT_WORDS] = average_next_words(moved, params.inference.controls[0])
    if "scales" in measured:
        tables["scales"] = score_scales(read_measurements(study, items.runs, "scales"))
        action_of = {d.outcome: d.action for d in materials.dispositions.values()}
        tables["self_report"] = compare_self_report(tables["scales"], shifts, action_of, HELD_OUT)
    if "completions" in measured:
        written = read_measurements(study, items.runs, "completions")
        texts = measure_texts(written)
        tables["completions"] = pick_samples(written, materials.completions)
        tables["valence"] = compare_texts(texts, alpha)
    tables["training"] = tabulate_training_amounts(params, runs["choice_check"], runs["retention"], texts)
    if len(items.excluded):
        tables["excluded"] = items.excluded
        tables["exclusion_effect"] = compare_exclusion(params.inference, items)
    return {name: table for name, table in tables.items() if len(table)}


def compare_exclusion(settings: Settings, items: Items) -> pd.DataFrame:
    """Set the declared probes' contrasts over all items beside those over the items kept.

    Returns
    -------
    DataFrame
        `compare_contrasts`, and `declared`, which marks the claims; no row where no declared probe keeps an item.
    """
    wanted = list_contrasts(settings)
    probes = pd.MultiIndex.from_frame(items.measured[PROBE])
    own = items.measured[probes.isin({(family, ring, outcome) for _, _, family, outcome, ring in wanted})]
    kept = leave_out(own, items.excluded)
    if kept.empty:  # nothing declared, or nothing of it left
        return pd.DataFrame()
    table = compare_contrasts(*(estimate_contrasts(rows, settings, settings.treatments) for rows in (own, kept)))
    named = table[list(CONTRAST_KEY)].itertuples(index=False, name=None)
    return table.assign(declared=[key in wanted for key in named])


def tabulate_placement(study: Study, items: Items) -> Tables:
    """Set each run's shift of choice beside its shift of expectation: placement."""
    return {"placement": compute_transfer(average_shifts(items.kept), study.params, study.materials, HELD_OUT)}


def tabulate_level(
    study: Study, items: Items, condition: str, runs_per_side: Iterable[int], comparisons: int, ratios: list[float]
) -> tuple[Tables, pd.DataFrame]:
    """Compare a condition with itself again and again (A/A), and count how often each unit rejects.

    Parameters
    ----------
    runs_per_side : runs on each side of a comparison; the level is found for each number
    comparisons : of each panel (family, ring, outcome) and way
    ratios : run SD of one side over that of the other, where runs are simulated

    Returns
    -------
    tables : calibration, by `count_rejections`
    p_values : of each comparison, by `compare_alike`
    """
    parts = [compare_alike(items.kept, condition, side, comparisons, ratios) for side in runs_per_side]
    p_values = pd.concat(parts, ignore_index=True)
    return {"calibration": count_rejections(p_values, study.params.inference.alpha)}, p_values


def tabulate_hard_cases(study: Study, comparisons: int) -> Tables:
    """Count how often the tests reject a true null where their assumptions fail: hard_cases, domain_level, simulated.

    Parameters
    ----------
    comparisons : of each case
    """
    alpha = study.params.inference.alpha
    return {
        "hard_cases": simulate_hard_cases(comparisons, alpha),
        "domain_level": simulate_domain_level(comparisons, alpha),
    }


def write_tables(study: Study, tables: Tables) -> pd.DataFrame:
    """Write each table to `tables/<name>.csv`. Returns the files' names and their numbers of rows."""
    for name, table in tables.items():
        write_csv(study.paths.tables / f"{name}.csv", table)
    return pd.DataFrame({"file": [f"{name}.csv" for name in tables], "rows": [len(t) for t in tables.values()]})
