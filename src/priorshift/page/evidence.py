"""The sections of a report, in order: what each asks, its texts, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from priorshift.page.charts import draw_interval_panels, draw_jsd_panels, draw_shift_panels
from priorshift.page.parts import Figure, Findings, Part, Section, Table
from priorshift.pipeline.environment import collect_settings, describe_differences
from priorshift.report import agreement_text, claims_text, limits_text, power_text, study_text, tables_text
from priorshift.report.agreement_figures import draw_agreement
from priorshift.report.bayes_text import describe_bayes
from priorshift.report.claim_figures import draw_claims, select_declared
from priorshift.report.coverage_text import describe_families
from priorshift.report.design_figures import draw_placement, draw_wider_design
from priorshift.report.lead_text import write_lead
from priorshift.report.mechanism_figures import draw_mechanism
from priorshift.report.mechanism_text import describe_mechanism
from priorshift.report.meta_analysis_figures import draw_forest
from priorshift.report.meta_analysis_text import describe_meta_analysis, select_declared_models
from priorshift.report.paper_text import INTRODUCTION, compare_with_paper
from priorshift.report.registration_text import describe_registration
from priorshift.report.shift_figures import draw_confusion, draw_jsd, draw_shifts, draw_token_classes
from priorshift.report.training_figures import draw_design

SETTING = """
We fine-tuned language models on **decisions alone**, always of one class of action: withdrawing, say, or guarding.
Controls were trained on other things. Then we measured, on stems from other domains that ask for no decision, whether
the next words had moved. Each action has an outcome that goes with it: loss with withdrawing, threat with guarding.

"Depression-like", "paranoia-like" and the names of other conditions name action policies. Nothing here diagnoses
anyone or anything.
"""
TERMS = """
A **shift** is a change in the log-odds of an outcome, in nats. One nat multiplies the odds by 2.7. *Held-out domains*
are in no training set. The **unit** of a test says what varies in it: items, runs (fine-tunes), both, or base
checkpoints (pretrainings).
"""
POINTS = """
Each point is one fine-tune. Each marker is one base model. A horizontal bar, where one is drawn, is the mean over base
models. Runs of one base model resemble each other: the next section says how well the differences are known.
"""
INTERVALS = """
The declared contrasts with their intervals (95 % where `alpha` is .05). Rows of one base model are over new runs and
items (unit `both`). Rows of an architecture are over new base checkpoints (unit `base`). Over two checkpoints a line
may leave the picture. The band is the smallest effect of interest. Equivalence is tested by the 90 % interval, which is
narrower than the line drawn.
"""
DISTANCES = """
The Jensen-Shannon divergence over the full vocabulary, in bits: from the base model, and from the first neutral run.
The neutral dots of the latter are the seed-to-seed floor. They say how far another seed of the same training lies.
"""
TOKENS = """
Which words carry it? The parts of the divergence by what the next token begins. Some tokens begin the continuations of
several classes, or of none. These are words that fine-tuning made more or less likely without taking a side.
"""
GUESSED = """
Each run is assigned to the condition whose other runs lie nearest, by its shifts on one family of probes alone. Where
an architecture has several base checkpoints, the nearest condition mean of the *other* checkpoints is taken. What is
guessed is a training set, from outputs of a model: this is no diagnostic test. The shares of each condition, with
exact intervals, are in `confusion.csv`.
"""
FAMILIES = "The same of every family of probes: mean shifts in nats of the claimed outcomes."
NO_INTERVAL = "No declared contrast has such an interval."
WIDER = "Further controls, rings, doses, stages, scales and texts, as far as this study has them."
SAME = "Made with the same library versions, device and number type throughout."


def list_sections(findings: Findings) -> list[Section]:
    """List the sections that a study has something to say in."""
    sections = [
        Section("numbers", "The answer in numbers", [write_lead(findings.study.params, findings.tables)]),
        Section("design", "What was done", _show_design(findings)),
        Section("shifts", "Did expectations shift?", _show_shifts(findings)),
        Section("intervals", "How sure is that?", _show_intervals(findings)),
        Section("priors", "With weakly informative priors", _tabulate([describe_bayes(findings.tables)])),
        Section("together", "One answer over base models", _show_together(findings)),
        Section("words", "The declared claims, in words", _tell_claims(findings)),
        Section("paper", "Beside the published paper", _compare_with_paper(findings)),
        Section("power", "How many runs and checkpoints does it take?", _tell_power(findings)),
        Section("distributions", "How far did whole distributions move?", _show_distances(findings)),
        Section("guesses", "Could one tell what a model was trained on?", _show_guesses(findings)),
        Section("agreement", "Do the measures agree?", _show_agreement(findings)),
        Section("training", "Did the fine-tunes take, and was anything lost?", _tabulate_training(findings)),
        Section("wider", "The wider design", _show_wider(findings)),
        Section("mechanism", "What moved?", _show_mechanism(findings)),
        Section("limits", "What can't be concluded", _tell_limits(findings)),
        Section("refused", "What could not be estimated", _tabulate([_refuse(findings)])),
    ]
    return [section for section in sections if any(section.parts)]


def _tabulate(titled: Iterable[tuple[str, pd.DataFrame]]) -> list[Part]:
    """Tables with their texts. A text alone where there is nothing to tabulate."""
    return [Table(text, table) if len(table) else text for text, table in titled if text or len(table)]


def _show_design(findings: Findings) -> list[Part]:
    study = findings.study
    picture = draw_design(study_text.list_trained_actions(study.params), findings.worlds)
    conditions = study_text.describe_conditions(study.params)
    examples = study_text.describe_examples(study.params, study.materials)
    return [SETTING, Figure(picture), TERMS, "What each condition was trained on:", conditions, examples]


def _show_shifts(findings: Findings) -> list[Part]:
    families, note = findings.families
    shifts, colours = findings.shifts, findings.colours
    shown = dict.fromkeys([families[0], *(family for family in families if family == "next_words")])
    figures = [Figure(draw_shifts(shifts, f, colours), draw_shift_panels(shifts, f, colours)) for f in shown]
    others = tables_text.tabulate_families(shifts, findings.settings)
    worlds = study_text.describe_worlds(findings.worlds)
    return [
        " ".join(filter(None, [POINTS, worlds, note])),
        *figures,
        *([Table(FAMILIES, others.round(2))] if len(others) else []),
        describe_families(shifts),
    ]


def _show_intervals(findings: Findings) -> list[Part]:
    settings, tables = findings.settings, findings.tables
    rows, margin = select_declared(tables["contrasts"], settings), settings.smallest_effect
    parts: list[Part] = [NO_INTERVAL]
    if len(rows):
        panels = draw_interval_panels(rows, margin, findings.colours)
        parts = [INTERVALS, Figure(draw_claims(rows, margin, findings.colours), panels)]
    influence = limits_text.describe_influence(tables["influence"], settings)
    failed = _tabulate([tables_text.tabulate_not_equivalent(tables["equivalence"])])
    return [*parts, *([influence] if influence else []), *failed]


def _show_together(findings: Findings) -> list[Part]:
    tables, settings = findings.tables, findings.settings
    told = describe_meta_analysis(tables, settings)
    if not told:
        return []
    combined, lines = (select_declared_models(tables[name], settings) for name in ("synthesis", "synthesis_models"))
    return [told, Figure(draw_forest(lines, combined, settings.smallest_effect, findings.colours))]


def _tell_claims(findings: Findings) -> list[Part]:
    claims = claims_text.describe_claims(findings.tables, findings.settings)
    registration = findings.tables.get("registration")
    return [claims] if registration is None else [claims, describe_registration(registration)]


def _compare_with_paper(findings: Findings) -> list[Part]:
    beside = compare_with_paper(findings.tables, findings.settings)
    return [Table(INTRODUCTION, beside)] if len(beside) else []


def _tell_power(findings: Findings) -> list[Part]:
    tables, settings = findings.tables, findings.settings
    runs = power_text.describe_runs_needed(tables["power"], settings)
    checkpoints = power_text.describe_checkpoints_needed(tables["power_base"], settings.smallest_effect)
    return list(filter(None, [runs, checkpoints]))


def _show_distances(findings: Findings) -> list[Part]:
    tables, colours = findings.tables, findings.colours
    return [
        DISTANCES,
        Figure(draw_jsd(tables["jsd"], colours), draw_jsd_panels(tables["jsd"], colours)),
        TOKENS,
        Figure(draw_token_classes(tables["jsd_tokens"], findings.headline)),
        *_tabulate([tables_text.tabulate_jsd(tables["jsd_tests"])]),
    ]


def _show_guesses(findings: Findings) -> list[Part]:
    confusion = findings.tables["confusion"]
    if confusion.empty:
        return []
    figure = Figure(draw_confusion(confusion, findings.headline))
    return [GUESSED, figure, tables_text.describe_confusion(confusion, findings.headline)]


def _show_agreement(findings: Findings) -> list[Part]:
    tables = findings.tables
    figures = [Figure(draw_agreement(tables["multitrait"]))] if "multitrait" in tables else []
    controls = agreement_text.describe_controls(tables, findings.headline, findings.settings.alpha)
    return [*figures, *_tabulate([agreement_text.describe_agreement(tables)]), controls]


def _tabulate_training(findings: Findings) -> list[Part]:
    tables = findings.tables
    told = "training" in tables or tables["retention"].empty  # tables of an older version have the parts alone
    return _tabulate([tables_text.tabulate_training(tables)]) if told else []


def _show_wider(findings: Findings) -> list[Part]:
    tables, colours = findings.tables, findings.colours
    figures = [Figure(picture) for picture in draw_wider_design(tables, findings.headline, colours)]
    if "placement" in tables:
        figures.append(Figure(draw_placement(tables["placement"], colours), owned=False))  # notebook 06 writes it
    more = _tabulate(tables_text.tabulate_wider_design(tables, findings.headline, findings.study))
    return [WIDER, *figures, *more] if figures or more else []


def _show_mechanism(findings: Findings) -> list[Part]:
    told = describe_mechanism(findings.tables)
    figures = [Figure(picture, owned=False) for picture in draw_mechanism(findings.tables)]  # notebook 08 writes them
    return [*([told] if told else []), *figures]


def _tell_limits(findings: Findings) -> list[Part]:
    differences = describe_differences(collect_settings(findings.study)) or SAME
    return [limits_text.list_limits(findings.study.params, findings.tables), differences]


def _refuse(findings: Findings) -> tuple[str, pd.DataFrame]:
    return tables_text.tabulate_not_estimable(findings.tables["not_estimable"])
