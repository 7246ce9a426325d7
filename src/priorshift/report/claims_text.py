"""Claims in words: a sentence with estimate and interval, then a line of numbers. Never a bare "significant"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from priorshift.report.coverage_text import describe_coverage
from priorshift.report.names import (
    name_condition,
    name_contrast,
    name_interval,
    name_model,
    name_p,
    name_probes,
    name_ring,
)
from priorshift.stats.declared import CONTRAST_KEY, DECLARED, EXPLORATORY, KEY, Settings, keep_claims, list_contrasts
from priorshift.study.params import HELD_OUT

Tables = Mapping[str, pd.DataFrame]
CLAIMS = {"contrasts": "shift", "equivalence": "equivalence"}  # table -> the kind of claim that it tests
WAYS = {"increase": "an increase", "decrease": "a decrease", "": "a shift either way"}  # declared direction -> words
EFFECTS = {
    "d_z": "d_z",
    "hedges_g": "Hedges' g",
    "d_total": "d over the total standard deviation",
    "hedges_g_z": "bias-corrected d over checkpoints",
}
# What the other units speak of. Unit `base` also says on how many checkpoints it rests.
UNITS = {
    "items": "Unit items: new items of {domains} for these very adapters, not new fine-tunes.",
    "runs": "Unit runs: new fine-tunes of this base model, on these very items.",
    "both": "Unit both: new fine-tunes of this base model and new items of {domains}, not other base models.",
}


def describe_contrast(row: Mapping[str, Any], alpha: float = 0.05, coverage: str = "") -> str:
    """Say one row of `contrasts` in a sentence, and below it in a line of numbers.

    Parameters
    ----------
    row : mapping
        A row of the table: `table.iloc[0]`, or one of `table.to_dict("records")`.
    alpha : float
        The alpha that the table was made with: its intervals are 1 - alpha.
    coverage : str
        `coverage_text.describe_coverage` of the row, told among the numbers.
    """
    adjustment = "Benjamini-Hochberg" if row["role"] == EXPLORATORY else "Holm"
    numbers = [
        f"{name_probes(row['family'])}, {name_ring(row['ring'])}",
        f"effect size: {EFFECTS[row['effect_size_name']]} {row['effect_size']:.2f} "
        f"({row['effect_low']:.2f} to {row['effect_high']:.2f})",
        f"unit {row['unit']}: {row['test']}, {count_data(row)}",
        f"{row['role']}, {name_p(row['p_adjusted'])} after {adjustment}",
        *filter(None, [row["caution"], _vary_sets(row, alpha), coverage]),
    ]
    return (
        f"{name_contrast(row)}: the log-odds of {row['outcome']} differ by {row['estimate']:+.2f} nats "
        f"({name_interval(row['ci_low'], row['ci_high'], alpha)}).{_judge(row, alpha)}\n{_join(numbers)}"
    )


def _vary_sets(row: Mapping[str, Any], alpha: float) -> str:
    """The interval of unit `base` as if training sets were random too. Empty where there is none."""
    if pd.isna(row["sets_low"]):
        return ""
    return f"with new training sets too {name_interval(row['sets_low'], row['sets_high'], alpha)}"


def _judge(row: Mapping[str, Any], alpha: float) -> str:
    """Whether a declared shift holds. A shift against its declared direction does not."""
    if row["role"] == EXPLORATORY:
        return ""
    claimed = f" The claim, {WAYS[row['direction']]},"
    if row["holds"]:
        return f"{claimed} holds."
    return f"{claimed} does not hold{': it went the other way' if row['p_adjusted'] < alpha else ''}."


def describe_equivalence(row: Mapping[str, Any], coverage: str = "") -> str:
    """Say one row of `equivalence` in a sentence, and below it in a line of numbers, as `describe_contrast` does."""
    verdict = "is equivalent to 0" if row["equivalent"] else "is not shown to be equivalent to 0"
    numbers = [
        f"{name_probes(row['family'])}, {name_ring(row['ring'])}",
        f"unit {row['unit']}, {count_data(row)}",
        f"{row['role']}, {name_p(row['p_adjusted'])} after Holm",
        *filter(None, [row["caution"], coverage]),
    ]
    return (
        f"{name_contrast(row)}: the difference in {row['outcome']} {verdict} within {row['margin']:g} nats. It "
        f"is {row['estimate']:+.2f} nats ({name_interval(row['ci90_low'], row['ci90_high'], 0.1)}).\n{_join(numbers)}"
    )


def describe_least_margins(curve: pd.DataFrame) -> str:
    """Say over which margins the declared equivalences hold. Empty where none was declared and tested.

    Parameters
    ----------
    curve : `equivalence.vary_margin`
    """
    if curve.empty:
        return ""
    smallest, largest = curve["margin"].min(), curve["margin"].max()
    told = []
    for row in curve.drop_duplicates(KEY).to_dict("records"):
        least = row["least_margin"]
        holds = "at none" if pd.isna(least) else f"from {least:g} nats"
        told.append(f"{name_contrast(row)}, {row['outcome']}: {holds}")
    return (
        f"Other smallest effects of interest ({smallest:g} to {largest:g} nats) were tried too. Each declared "
        f"equivalence would hold from this margin up. {'. '.join(told)}."
    )


def count_data(row: Mapping[str, Any]) -> str:
    """Say on how many runs, items and base checkpoints a row rests."""
    counts = f"{row['n_runs']} runs x {row['n_items']} items"
    return f"{counts} in {_count_checkpoints(row)} base checkpoints" if row["unit"] == "base" else counts


def describe_units(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say what rows of `contrasts` or `equivalence` generalize to, and what they do not: a text for each unit."""
    return list(dict.fromkeys(_describe_unit(row) for row in rows))


def _describe_unit(row: Mapping[str, Any]) -> str:
    if row["unit"] != "base":
        random = str(row["domains"]).startswith("random")
        return UNITS[row["unit"]].format(domains="new domains" if random else "these domains")
    n = _count_checkpoints(row)
    return (
        "Unit base: new pretrainings of the same architecture on the same kind of text. It does not speak of other "
        "items, fine-tuning sets, architectures or texts: the checkpoints share theirs. "
        f"With {n} checkpoints ({n - 1} degree{'s' if n > 2 else ''} of freedom) only large and consistent effects can "
        "be found. That checkpoints vary normally is assumed, not checked."
    )


def _count_checkpoints(row: Mapping[str, Any]) -> int:
    return round(row["df"]) + 1


def describe_claims(tables: Tables, settings: Settings) -> str:
    """Say all claims as Markdown: the declared ones, under their role, then those that are exploratory.

    Parameters
    ----------
    tables : contrasts, equivalence, equivalence_curve, world_difference, specificity and shifts, as written
    settings : the study's inference section
    """
    own = {name: keep_claims(tables[name]).to_dict("records") for name in CLAIMS}
    shifts, alpha = tables["shifts"], settings.alpha
    lines = [_bullet(describe_contrast(row, alpha, describe_coverage(shifts, row))) for row in own["contrasts"]]
    lines += [_bullet(describe_equivalence(row, describe_coverage(shifts, row))) for row in own["equivalence"]]
    if lines:
        units = describe_units([*own["contrasts"], *own["equivalence"]])
        margins = describe_least_margins(tables["equivalence_curve"])
        lines = [
            f"{len(lines)} declared claims, Holm-corrected together.",
            "",
            *lines,
            "",
            *([margins, ""] * bool(margins)),
        ]
        lines += ["What these tests speak of:", "", *map(_bullet, units)]
    role = next((row["role"] for rows in own.values() for row in rows), DECLARED)
    parts = [f"### {role.capitalize()}", "", *(lines or [_explain_nothing(settings)])]
    others = [
        *_compare_worlds(tables["world_difference"], settings),
        *_list_dissociations(tables["specificity"], shifts, settings),
    ]
    if others:
        parts += ["", "### Exploratory", "", *map(_bullet, others)]
    if instead := _describe_instead(tables, settings):
        parts += ["", "### Exploratory: declared contrasts whose own test could not be made", "", *instead]
    return "\n".join(parts)


def _explain_nothing(settings: Settings) -> str:
    return (
        "Nothing: no declared claim could be tested at its own unit." if settings.claims else "No claim was declared."
    )


def _compare_worlds(differences: pd.DataFrame, settings: Settings) -> Iterator[str]:
    for row in _keep_declared(differences, settings):
        numbers = [
            f"unit base: {row['n_coupled']} and {row['n_decoupled']} base checkpoints x {row['n_items']} items",
            f"{row['role']}, {name_p(row['p_adjusted'])} after Benjamini-Hochberg",
        ]
        yield (
            f"{name_contrast(row)}, {row['outcome']}: the coupled world's shift minus the decoupled one's is "
            f"{row['estimate']:+.2f} nats ({name_interval(row['ci_low'], row['ci_high'], settings.alpha)}).\n"
            f"{_join(numbers)}"
        )


def _keep_declared(table: pd.DataFrame, settings: Settings) -> list[dict]:
    named = list_contrasts(settings)
    return [row for row in table.to_dict("records") if tuple(row[name] for name in CONTRAST_KEY) in named]


def _list_dissociations(specificity: pd.DataFrame, shifts: pd.DataFrame, settings: Settings) -> Iterator[str]:
    """Per architecture where checkpoints were measured, per base model outside the calibration worlds."""
    own = specificity["unit"].eq("base") | (specificity["unit"].eq("runs") & specificity["world"].eq(""))
    families = {claim.family for claim in settings.claims} or {"interpretation"}
    near = specificity[own & specificity["family"].isin(families) & specificity["ring"].eq(HELD_OUT)]
    keys = ["base_model", "world", "family", "pair", "unit"]
    for key, effects in near.groupby(keys, sort=False):
        row = dict(zip(keys, key, strict=True))
        verdict = "could not be tested whole" if len(effects) < 3 else "is not shown"
        verdict = "holds" if effects["double_dissociation"].all() else verdict
        numbers = [_describe_effect(effect, settings.alpha) for effect in effects.to_dict("records")]
        numbers += [f"unit {row['unit']}: {effects['n_runs'].max()} runs x {effects['n_items'].max()} items"]
        numbers += filter(None, [describe_coverage(shifts, row | {"ring": HELD_OUT})])
        pair = name_condition(row["pair"].replace(", ", " and ")).capitalize()
        yield (
            f"{pair} training in {name_model(row)}: double dissociation {verdict} "
            f"for {name_probes(row['family'])}. It needs three intervals above 0.\n"
            f"{_join([*numbers, 'exploratory, intervals not corrected'])}"
        )


def _describe_effect(row: Mapping[str, Any], alpha: float) -> str:
    inner = row["effect"] == "interaction"
    name = "interaction" if inner else f"{name_condition(row['effect'])} training, own outcome over the other's"
    return f"{name} {row['estimate']:+.2f} nats ({name_interval(row['ci_low'], row['ci_high'], alpha)})"


def _describe_instead(tables: Tables, settings: Settings) -> list[str]:
    """Declared contrasts at unit `both` where unit `base` could not be estimated, with the reason."""
    contrasts, shifts = tables["contrasts"], tables["shifts"]
    base = contrasts[contrasts["unit"] == "base"]
    tested = set(zip(base["base_model"], base["world"], strict=True))
    embedded = shifts.loc[shifts["world"] != "", ["base_model", "group", "world"]].drop_duplicates()
    untested = [name for name, *where in embedded.itertuples(index=False, name=None) if tuple(where) not in tested]
    rows = _keep_declared(contrasts[contrasts["base_model"].isin(untested) & contrasts["unit"].eq("both")], settings)
    if not rows:
        return []
    reason = (
        "The declared claims are about new pretrainings (unit base). These base models have no second checkpoint of "
        f"their architecture and world: {', '.join(untested)}. What follows is about new fine-tunes of these very base "
        "models (unit both)."
    )
    lines = [_bullet(describe_contrast(row, settings.alpha)) for row in rows]
    return [reason, "", *lines, "", *describe_units(rows)]


def explain_missing_claims(contrasts: pd.DataFrame) -> str:
    """Say why there is no declared contrast to show. Empty where there is one."""
    if contrasts.empty:
        return "No contrast could be estimated: no two conditions that the study compares were both measured."
    if keep_claims(contrasts).empty:
        return "No declared shift could be tested at its own unit. What could not be estimated is listed below."
    return ""


def _join(numbers: Iterable[str]) -> str:
    return " ".join(f"{number[0].upper()}{number[1:].rstrip('.')}." for number in numbers)


def _bullet(text: str) -> str:
    """A Markdown list item whose second line stays a line of its own."""
    return "* " + text.replace("\n", "  \n  ")
