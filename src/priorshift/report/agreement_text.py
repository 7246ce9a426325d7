"""Do the measures agree, and do the controls? In words, and as a table of methods."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from priorshift.report.names import drop_empty_world, name_condition, name_contrast, name_interval, name_probes
from priorshift.report.tables_text import Titled
from priorshift.stats.adjust import CHECK
from priorshift.stats.agreement import CONVERGENT, OVER, POOLED, SAME_METHOD

ALL, WITHIN = OVER[:2]
LEAD = "Measures should go together by what they measure, not by how (Campbell and Fiske, 1959)."
EMPTY = pd.DataFrame()
KINDS = {CONVERGENT: "the same outcome by different methods", SAME_METHOD: "different outcomes by the same method"}
EXPLANATION = (
    "Training moves conditions apart, and that alone makes measures go together. Within conditions their means are "
    "taken out: what is left differs between runs of one condition. Outcomes of one family share one probability. "
    "What one gains, others lose, and their correlation falls below 0 whatever they measure. `multitrait.csv` has each "
    "correlation with its interval, and those between conditions."
)


def list_pools(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of `multitrait` or `methods` that pool base models, by world: the pool's name, its rows."""
    pooled = table[table["base_model"] == POOLED]
    alone = pooled["world"].nunique() == 1
    named = {"": "all base models" if alone else "other base models"}
    return [(named.get(world, f"{world} world"), rows) for world, rows in pooled.groupby("world", sort=True)]


def describe_pool(name: str, rows: pd.DataFrame) -> str:
    """Say the mean correlations of one pool, over all runs and within conditions.

    Parameters
    ----------
    name : as `list_pools` gives it
    rows : those of `multitrait`
    """
    told = []
    for kind, what in KINDS.items():
        means = rows[rows["kind"] == kind].groupby("over")["correlation"].mean()
        if means.notna().any():
            inside = f" ({means[WITHIN]:+.2f} within conditions)" if pd.notna(means.get(WITHIN)) else ""
            told.append(f"{what} {means[ALL]:+.2f}{inside}")
    where = f"{name[0].upper()}{name[1:]}, {rows['n_runs'].max()} runs"
    return f"{where}. Mean correlation of {', of '.join(told)}." if told else f"{where}. Nothing varies."


def describe_agreement(tables: Mapping[str, pd.DataFrame]) -> Titled:
    """Say whether measures agree on outcomes more than a method's outcomes go together, and each method's means.

    Parameters
    ----------
    tables : multitrait and methods, as written, where the study has them

    Returns
    -------
    str, DataFrame
        Markdown. A row for each pool, method and over; no row where nothing can be said.
    """
    if "multitrait" not in tables:
        return "This study has fewer than two measures or three runs. Nothing can be said of their agreement.", EMPTY
    if not (tables["multitrait"]["kind"] == CONVERGENT).any():
        return "This study measures each outcome by one method. Nothing can be said of the agreement of methods.", EMPTY
    verdicts = {name: _describe_verdicts(rows) for name, rows in list_pools(tables["methods"])}
    lines = [f"* {describe_pool(name, rows)} {verdicts[name]}" for name, rows in list_pools(tables["multitrait"])]
    return "\n".join([LEAD, "", *lines, "", EXPLANATION]), _tabulate_methods(tables["methods"])


def _describe_verdicts(rows: pd.DataFrame) -> str:
    """Whether each method agrees with the others more than its own outcomes go together, over runs and within."""
    told = ["Does each method agree with others more than its own outcomes go together?"]
    for over, where in ((ALL, "Over all runs"), (WITHIN, "Within conditions")):
        own = rows[(rows["over"] == over) & rows["margin"].notna()]
        if own.empty:
            continue
        weak = ", ".join(map(name_condition, own.loc[~(own["margin_low"] > 0), "method"]))
        found = f"this is not shown of {weak}" if weak else "every method does"
        # Each comparison stands with both of its methods.
        met, of = own["met"].sum() // 2, own["comparisons"].sum() // 2
        told.append(f"{where} {found}. Of single correlations {met} of {of} pairs are in this order.")
    return " ".join(told) if len(told) > 1 else ""


def _tabulate_methods(methods: pd.DataFrame) -> pd.DataFrame:
    titles = {"convergent": "same outcome, other methods", "same_method": "other outcomes, same method"}
    rows = methods[(methods["base_model"] == POOLED) & methods["over"].isin([ALL, WITHIN])]
    table = rows[["world", "over", "method", "n_outcomes", "n_runs"]].copy()
    for name, title in titles.items():
        table[title] = [_write(row[name], row[f"{name}_low"], row[f"{name}_high"]) for row in rows.to_dict("records")]
    return drop_empty_world(table).reset_index(drop=True)


def _write(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:+.2f}" + (f" ({low:+.2f} to {high:+.2f})" if np.isfinite([low, high]).all() else "")


def describe_controls(tables: Mapping[str, pd.DataFrame], headline: str, alpha: float) -> str:
    """Say whether controls lie within the smallest effect of each other, a sentence for each family where not.

    Parameters
    ----------
    tables : controls, as written, where the study has it
    headline : the family of which it is said in any case
    alpha : of the intervals
    """
    if "controls" not in tables:
        return (
            "This study has fewer than two controls that favour no class of action: whether they agree can't be said."
        )
    table = tables["controls"]
    runs, margin = table[table["unit"] == "runs"], float(table["margin"].iloc[0])
    own = runs[runs["family"] != CHECK]
    names = ", ".join(map(name_condition, dict.fromkeys([*own["control"], *own["condition"]])))
    lines = [f"Controls that favour no class of action ({names}) should move expectations alike.", ""]
    if len(first := own[(own["family"] == headline)]) and not first["flag"].any():
        lines.append(
            f"* On {name_probes(headline)}, the headline family, any two lie within {margin:g} nats of each other in "
            f"every base model. {_describe_largest(first, alpha)}"
        )
    flagged = own[own["flag"]]
    for family, part in flagged.groupby("family", sort=False):
        n, of = part["base_model"].nunique(), own.loc[own["family"] == family, "base_model"].nunique()
        lines.append(
            f"* **{name_probes(family).capitalize()} measure something besides the behaviors, or the controls are not "
            f"alike.** Two lie more than {margin:g} nats apart in {n} of {of} base models. "
            f"{_describe_largest(part, alpha)}"
        )
    return "\n".join([*lines, *([f"* {_explain(runs, flagged, alpha)}"] if len(flagged) else [])])


def _describe_largest(rows: pd.DataFrame, alpha: float) -> str:
    row = rows.loc[rows["estimate"].abs().idxmax()]
    known = np.isfinite([row["ci_low"], row["ci_high"]]).all()
    interval = name_interval(row["ci_low"], row["ci_high"], alpha) if known else "no interval"
    where = f"{name_contrast(row)}, {row['outcome']}"
    return f"The largest difference is {row['estimate']:+.2f} nats ({interval}). It is that of {where}."


def _explain(runs: pd.DataFrame, flagged: pd.DataFrame, alpha: float) -> str:
    """Whether the controls that differ also moved choices apart, in the base models where they differ."""
    keys = ["base_model", "condition", "control"]
    apart = pd.MultiIndex.from_frame(flagged[keys])
    choices = runs[(runs["family"] == CHECK) & pd.MultiIndex.from_frame(runs[keys]).isin(apart)]
    if choices.empty:
        return "Why is not known: choices were not measured."
    if not choices["flag"].any():
        return f"Choices do not say why: these controls lie no further apart there. {_describe_largest(choices, alpha)}"
    return f"Why: these controls teach different choices. {_describe_largest(choices, alpha)}"
