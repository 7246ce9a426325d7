"""docs/on_a_laptop.md: the words of docs/templates/on_a_laptop.md, the numbers from the committed tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from priorshift.report.coverage_text import name_share
from priorshift.report.mechanism_text import describe_mechanism
from priorshift.report.names import name_condition, name_estimate, name_p, name_percent, name_probes
from priorshift.report.results_page import Fields, Tables, bound, select, tabulate
from priorshift.stats.declared import keep_claims
from priorshift.study.params import HELD_OUT
from priorshift.tables.read import read_table, read_tables
from priorshift.tables.training_amount import LEAST_CHOICE, RETENTION_LIMIT


def collect_laptop(outputs: Path) -> Fields:
    """The fields of the page, from the studies `laptop`, `laptop_mechanism` and `dose` in `outputs`."""
    study = read_tables(outputs / "laptop" / "tables")
    return {
        **fill_doses(read_table(outputs / "dose" / "tables" / "training.csv")),
        **fill_registered_claims(study),
        **fill_coverage(study["shifts"]),
        **fill_control_contrasts(study["contrasts"]),
        **fill_training(study["training"]),
        "what_moved": describe_mechanism(read_tables(outputs / "laptop_mechanism" / "tables")),
    }


def fill_doses(table: pd.DataFrame) -> Fields:
    """Every dose of one behavior that was tried, beside what it did."""
    own = table[table["choice"].notna()]
    lines = [
        [
            name_condition(row["condition"].split("_")[0]), row["adapted"], str(row["steps"]),
            f"{row['learning_rate']:g}", f"{row['choice']:.2f}", name_percent(row["perplexity_ratio"] - 1, 0),
            "-" if pd.isna(row["too_far"]) else row["too_far"],
        ]
        for row in own.to_dict("records")
    ]  # fmt: skip
    head = [
        "training",
        "layers",
        "steps of 16",
        "learning rate",
        "trained choice",
        "perplexity over the base's",
        "too far",
    ]
    kept = own[own["perplexity_ratio"] <= RETENTION_LIMIT]
    return {
        "dose_table": tabulate(head, lines),
        "n_doses": str(len(own)),
        "n_met": str((own["choice"] >= LEAST_CHOICE).sum()),
        "least_choice": f"{LEAST_CHOICE:.2f}",
        "retention_limit": name_percent(RETENTION_LIMIT - 1, 0),
        "dose_most": f"{own['choice'].max():.2f}",
        "dose_most_kept": f"{kept['choice'].max():.2f}",
    }


def fill_registered_claims(study: Tables) -> Fields:
    """The registered claims: probabilities, estimates, intervals and what holds."""
    means = (
        study["shifts"].groupby(["family", "ring", "condition", "outcome"])[["base_probability", "probability"]].mean()
    )
    claims, lines = keep_claims(study["contrasts"]), []
    for row in claims.to_dict("records"):
        trained, control = (
            means.loc[row["family"], row["ring"], row[c], row["outcome"]] for c in ("condition", "control")
        )
        path = " → ".join(f"{100 * p:.0f}" for p in (trained["base_probability"], trained["probability"]))
        lines.append([
            f"{name_condition(row['condition'])}: {row['outcome']}", name_probes(row["family"]), f"{path} %",
            name_percent(control["probability"], 0),
            name_estimate(row), name_p(row["p_adjusted"]), "yes" if row["holds"] else "no",
        ])  # fmt: skip
    head = ["training, outcome", "probes", "probability", "after neutral", "shift in nats", "adjusted p", "holds"]
    held = claims["holds"].astype(bool)
    return {
        "claims_table": tabulate(head, lines),
        "n_claims": str(len(claims)),
        "n_held": str(held.sum()),
        "claim_unit": ", ".join(dict.fromkeys(claims["unit"])),
    }


def fill_coverage(shifts: pd.DataFrame) -> Fields:
    """How much probability each family's candidates hold under the base model."""
    means = select(shifts, ring=HELD_OUT).groupby("family", sort=False)["base_covered_mass"].mean()
    lines = [[name_probes(family), name_share(share)] for family, share in means.sort_values(ascending=False).items()]
    return {"coverage_table": tabulate(["probes", "held by all candidates"], lines)}


def fill_control_contrasts(contrasts: pd.DataFrame) -> Fields:
    """How far each claim's shift stands from every control, and the controls from each other."""
    claims = keep_claims(contrasts)
    where = ["condition", "family", "outcome", "ring", "unit"]
    own = contrasts.merge(claims[where].drop_duplicates(), on=where)
    wide = own.pivot_table(index=["condition", "outcome", "family"], columns="control", values="estimate", sort=False)
    lines = [
        [f"{name_condition(condition)}: {outcome}", name_probes(family), *(f"{value:+.2f}" for value in values)]
        for (condition, outcome, family), values in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    head = ["training, outcome", "probes", *(f"against {name_condition(control)}" for control in wide.columns)]
    return {"controls_table": tabulate(head, lines)}


def fill_training(table: pd.DataFrame) -> Fields:
    """Whether each condition was trained enough, and what it cost."""
    lines = [
        [
            name_condition(row["condition"]), "-" if pd.isna(row["choice"]) else f"{row['choice']:.2f}",
            name_percent(row["perplexity_ratio"] - 1, 0), f"{row['repetition']:.2f}", f"{row['distinct_2']:.2f}",
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    head = ["training", "trained choice", "perplexity over the base's", "repetition", "distinct-2"]
    return {"training_table": tabulate(head, lines), **bound("choice", table["choice"].dropna(), ".2f")}
