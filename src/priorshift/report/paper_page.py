"""docs/beside_the_paper.md: the paper's claims row by row, beside what the committed studies found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from priorshift.report.names import name_architecture, name_condition, name_estimate, name_probes
from priorshift.report.paper_text import compare_with_paper
from priorshift.report.results_page import Fields, Tables, name_group, tabulate
from priorshift.stats.declared import Settings, choose_unit
from priorshift.study.load import load_study
from priorshift.study.params import HELD_OUT, NEAR
from priorshift.tables.read import read_tables

STUDIES = ("laptop", "embedded")
SHOWN = ("contrasts", "specificity", "jsd", "scales", "valence")
# The paper's claims as `compare_with_paper` names them -> how they measured, and how we do.
MEASURED = {
    "shift": (
        "next-token probabilities",
        "log-odds of each outcome against a neutral fine-tune, on training domains",
    ),
    "generalization": (
        "contexts outside training",
        "the same on domains that were never trained",
    ),
    "several measures": (
        "completions, psychometric-style scales, Jensen-Shannon divergence",
        "the same three, beside every control",
    ),
    "partial specificity": (
        "depression- and paranoia-like policies compared",
        "double dissociation: each behavior moves its own outcome more than the other's",
    ),
}


def collect_comparison(outputs: Path, params: Path) -> Fields:
    """The fields of the page, from the studies `laptop` and `embedded`, and from what their files in `params` claim."""
    studies = {name: read_tables(outputs / name / "tables") for name in STUDIES}
    settings = {name: load_study(params / f"{name}.yaml").params.inference for name in STUDIES}
    return {
        **fill_paper_claims(studies, settings),
        **fill_shifts(studies, settings),
        **fill_measures(studies["laptop"]),
        **fill_divergence(studies["embedded"]["jsd"]),
        **fill_dissociations(studies, settings),
    }


def fill_paper_claims(studies: dict[str, Tables], settings: dict[str, Settings]) -> Fields:
    """A row for each claim of the paper: how they measured, how we do, and what came out on which models."""
    found = [
        compare_with_paper({shown: tables[shown] for shown in SHOWN if shown in tables}, settings[name])
        for name, tables in studies.items()
    ]
    lines = []
    for claim, (theirs, ours) in MEASURED.items():
        rows = [table.set_index("claim").loc[claim] for table in found]
        came_out = [f"{row['here']}. Same: *{row['same']}*" for row in rows]
        lines.append([f"**{claim}**: {rows[0]['paper']}", theirs, ours, *came_out])
    head = ["claim", "they measured", "we measure", *map(name_study, studies.values())]
    return {"claims_table": tabulate(head, lines)}


def name_study(tables: Tables) -> str:
    """Say which base models a study has, and how many runs of each condition."""
    shifts = tables["shifts"]
    models, seeds = shifts["base_model"].unique(), shifts["seed"].nunique()
    groups = ", ".join(name_architecture(group) for group in shifts["group"].unique())
    named = models[0] if len(models) == 1 else f"{len(models)} small models ({groups})"
    return f"{named}, {seeds} runs of each condition"


def fill_shifts(studies: dict[str, Tables], settings: dict[str, Settings]) -> Fields:
    """Each behavior's own outcome on training and on held-out domains, at the unit of a declared claim."""
    lines = []
    for name, tables in studies.items():
        table = tables["contrasts"]
        own = table[(table["unit"] == table["world"].map(choose_unit))].set_index(
            ["condition", "control", "family", "outcome", "ring"]
        )
        for claim in _list_pairs(settings[name]):
            both = [own.loc[[(*claim, ring)]] for ring in (NEAR, HELD_OUT)]
            for near, far in zip(*(rows.to_dict("records") for rows in both), strict=True):
                condition, _, family, outcome = claim
                lines.append([
                    _name_models(near), f"{name_condition(condition)}: {outcome}", name_probes(family),
                    name_estimate(near), name_estimate(far),
                ])  # fmt: skip
    head = ["models", "training, outcome", "probes", "training domains", "held-out domains"]
    return {"shifts_table": tabulate(head, lines)}


def _list_pairs(settings: Settings) -> Sequence[tuple[str, str, str, str]]:
    """(condition, control, family, outcome) of each declared contrast, once."""
    pairs = [(claim.condition, claim.control, claim.family, claim.outcome) for claim in settings.claims]
    return list(dict.fromkeys(pairs))


def fill_measures(study: Tables) -> Fields:
    """The further measures of one study by condition: divergence, scales and the tone of completions."""
    divergence = _select_divergence(study["jsd"]).groupby("condition")["estimate"].mean()
    scales = study["scales"].groupby(["condition", "outcome"])["shift"].mean().unstack()
    valence = study["valence"][study["valence"]["measure"] == "valence"].set_index("condition")
    outcomes = [outcome for outcome in ("loss", "threat", "benign") if outcome in scales]
    lines = [
        [
            name_condition(condition), f"{divergence[condition]:.3f}",
            *(f"{scales.loc[condition, outcome]:+.3f}" for outcome in outcomes), name_estimate(valence.loc[condition]),
        ]
        for condition in divergence.index
    ]  # fmt: skip
    head = ["training", "JSD from base, bits", *(f"scale of {outcome}" for outcome in outcomes), "valence of texts"]
    return {"measures_table": tabulate(head, lines)}


def fill_divergence(jsd: pd.DataFrame) -> Fields:
    """The divergence by condition in each world: means over families and base models."""
    means = _select_divergence(jsd).pivot_table(index="condition", columns="world", values="estimate")
    lines = [[name_condition(row.name), *(f"{value:.3f}" for value in row)] for _, row in means.iterrows()]
    return {"divergence_table": tabulate(["training", *(f"{world}, bits" for world in means.columns)], lines)}


def _select_divergence(jsd: pd.DataFrame) -> pd.DataFrame:
    """Whole distributions against the base model's, on held-out probes of expectations."""
    return jsd[(jsd["measure"] == "jsd") & (jsd["ring"] == HELD_OUT) & (jsd["family"] != "choice")]


def fill_dissociations(studies: dict[str, Tables], settings: dict[str, Settings]) -> Fields:
    """The double dissociations behind the count: interaction and both simple effects, in nats."""
    lines = []
    for name, tables in studies.items():
        table, families = tables["specificity"], {claim.family for claim in settings[name].claims}
        own = table[table["family"].isin(families) & (table["ring"] == HELD_OUT)]
        own = own[own["unit"] == own["world"].map(lambda world: "base" if world else "runs")]
        for _, part in own.groupby(["base_model", "world", "family"], sort=False):
            effects = part.set_index("effect")
            row = effects.loc["interaction"]
            first, second = row["pair"].split(", ")
            lines.append([
                _name_models(row), name_probes(row["family"]),
                *(name_estimate(effects.loc[effect]) for effect in ("interaction", first, second)),
                "yes" if row["double_dissociation"] else "no",
            ])  # fmt: skip
    head = ["models", "probes", "interaction", "withdrawing alone", "guarding alone", "both hold"]
    return {"specificity_table": tabulate(head, lines)}


def _name_models(row: pd.Series | dict[str, str]) -> str:
    """The models of a row: an architecture and its world, or a model of natural language by its name."""
    return name_group(row["base_model"], row["world"]) if row["world"] else row["base_model"]
