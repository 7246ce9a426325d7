"""The tables of the wider design, as far as a study measures them."""

from __future__ import annotations

import pandas as pd

from priorshift.errors import UserError
from priorshift.pipeline.probe import measured_tables, read_measurements
from priorshift.pipeline.synthesize import read_examples
from priorshift.probing.items import probe_items
from priorshift.stats.contrasts import contrasts
from priorshift.stats.declared import NAMED, declared
from priorshift.study.load import LoadedStudy
from priorshift.study.run import Run
from priorshift.study.sections import Exclusion
from priorshift.tables.dose_recovery import dose_points, dose_table, recovery_table
from priorshift.tables.exclusion import EXCLUDED, excluded_items, leave_out, with_and_without
from priorshift.tables.questionnaire import scale_scores, self_report
from priorshift.tables.written_text import side_by_side, text_measures, valence_table


def design_tables(
    study: LoadedStudy, runs: list[Run], items: pd.DataFrame, excluded: pd.DataFrame, shifts: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Name -> table, empty ones left out.

    dose, dose_points, recovery, scales, self_report, completions, valence, excluded, exclusion_effect.

    Parameters
    ----------
    items : the items table as measured
    excluded : `exclusions`
    shifts : `summaries.shift_by_run`
    """
    params, materials, alpha = study.params, study.materials, study.params.inference.alpha
    points = dose_points(shifts, params, materials)
    tables = {"dose_points": points, "dose": dose_table(points, alpha)}
    tables["recovery"] = recovery_table(shifts, params, materials, alpha)
    measured = measured_tables(study)
    if "scales" in measured:
        tables["scales"] = scale_scores(read_measurements(study, runs, "scales"))
        action_of = {d.outcome: d.action for d in materials.dispositions.values()}
        tables["self_report"] = self_report(tables["scales"], shifts, action_of, "held_out_domains")
    if "completions" in measured:
        texts = read_measurements(study, runs, "completions")
        tables["completions"] = side_by_side(texts, materials.completions)
        tables["valence"] = valence_table(text_measures(texts), alpha)
    if len(excluded):
        tables["excluded"] = excluded
        tables["exclusion_effect"] = _exclusion_effect(study, items, excluded)
    return {name: table for name, table in tables.items() if len(table)}


def exclusions(study: LoadedStudy, runs: list[Run], items: pd.DataFrame) -> pd.DataFrame:
    """The items that the study's criteria leave out (none without an `exclusion` section), with the reason.

    Raises
    ------
    UserError
        When they leave no item on held-out domains of any base model: that ring is what figures and claims are about.
    """
    if study.params.exclusion == Exclusion():
        return pd.DataFrame(columns=EXCLUDED)
    training = {example.prompt + example.completion for run in runs for example in read_examples(study, run)[0]}
    excluded = excluded_items(items, probe_items(study.params, study.materials), training, study.params.exclusion)
    near = items[items["ring"] == "held_out_domains"]
    if len(near) and leave_out(near, excluded).empty:
        reasons = "; ".join(sorted(excluded["reason"].unique()))
        raise UserError(
            f"exclusion: its criteria leave no item of any base model on held-out domains ({reasons}): loosen them"
        )
    return excluded


def _exclusion_effect(study: LoadedStudy, items: pd.DataFrame, excluded: pd.DataFrame) -> pd.DataFrame:
    """The declared probes' contrasts over all items beside those over the items kept; `declared` marks the claims."""
    settings = study.params.inference
    probes = pd.MultiIndex.from_frame(items[["family", "ring", "outcome"]])
    own = items[probes.isin({(family, ring, outcome) for _, _, family, outcome, ring in declared(settings)})]
    kept = leave_out(own, excluded)
    if kept.empty:  # nothing declared, or nothing of it left
        return pd.DataFrame()
    table = with_and_without(*(contrasts(rows, settings, settings.treatments) for rows in (own, kept)))
    named = table[list(NAMED)].itertuples(index=False, name=None)
    return table.assign(declared=[key in declared(settings) for key in named])
