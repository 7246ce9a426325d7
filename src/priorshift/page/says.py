"""What the models say: for each stem, the base model beside the control and the behaviors, from the study's tables."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from priorshift.materials.prompts import fill_stem
from priorshift.page.parts import Findings, list_models
from priorshift.probing.items import ProbeItem, make_probe_items
from priorshift.report.names import name_condition, name_probes
from priorshift.study.dispositions import match_outcomes
from priorshift.study.params import HELD_OUT

BASE = "base"
LIKELIEST, MOVED = 8, 6  # next words shown: the likeliest, and those that gained or lost most


def list_sayings(findings: Findings) -> dict:
    """Collect what models say after stems: shares of classes, next words without lists, sampled texts.

    Of each kind, what the study's tables have. Next words are those of `next_words.csv`: they moved. A class's share is
    the mean over the held-out items of a family, of which one is shown.

    Returns
    -------
    dict
        columns: [{name, title}]; models: names; stems: [{kind, group, stem, note, models: {model: {column: cells}}}].
        Cells of "classes" are [class, example, share]; of "words" {likeliest, gained, lost}, lists of [word, share or
        change]; of "texts" a text.
    """
    columns = [BASE, *_choose_conditions(findings)]
    stems = [*_list_classes(findings, columns), *_list_words(findings, columns), *_list_texts(findings, columns)]
    titles = [{"name": name, "title": "base model" if name == BASE else name_condition(name)} for name in columns]
    models = [name for name in list_models(findings) if any(name in stem["models"] for stem in stems)]
    return {"columns": titles, "models": models, "stems": stems}


def _choose_conditions(findings: Findings) -> list[str]:
    """The first control, and the behaviors with an outcome of their own (or the first two treatments)."""
    params, measured = findings.study.params, set(findings.shifts["condition"])
    behaviors = [*match_outcomes(params, findings.study.materials)] or params.inference.treatments[:2]
    return [name for name in dict.fromkeys([*params.inference.controls[:1], *behaviors]) if name in measured]


def _list_classes(findings: Findings, columns: list[str]) -> Iterator[dict]:
    """A family's classes on held-out domains, with their mean shares among the candidates."""
    shifts = findings.shifts[findings.shifts["ring"] == HELD_OUT]
    keys = ["family", "base_model", "condition", "outcome"]
    means = shifts.groupby(keys, sort=False)[["base_probability", "probability"]].mean()
    for item in _pick_items(findings):
        family = means.loc[item.family]
        models = {}
        for model, own in family.groupby(level="base_model", sort=False):
            shares = own.droplevel("base_model")
            base = shares.groupby(level="outcome", sort=False)["base_probability"].mean()
            measured = set(shares.index.get_level_values(0))  # a condition may be another base model's alone
            held = {BASE: base} | {c: shares.loc[c, "probability"] for c in columns if c in measured}
            models[model] = {name: _list_shares(part, item) for name, part in held.items() if name in columns}
        yield {
            "kind": "classes",
            "group": "Which continuation follows",
            "stem": f"{item.stem} …",
            "note": (
                f"{name_probes(item.family).capitalize()}: mean share of each class among its candidates, over all "
                "held-out items and runs. This stem and these phrases are examples of them."
            ),
            "models": models,
        }


def _pick_items(findings: Findings) -> list[ProbeItem]:
    """The first item of each family left on held-out domains."""
    picked = {}
    for item in make_probe_items(findings.study.params, findings.study.materials):
        if item.ring == HELD_OUT and item.family in findings.families[0]:
            picked.setdefault(item.family, item)
    return list(picked.values())


def _list_shares(shares: pd.Series, item: ProbeItem) -> list[list]:
    return [
        [outcome, item.candidates[outcome][0].strip(), round(float(share), 4)]
        for outcome, share in shares.items()
        if item.candidates.get(outcome)
    ]


def _list_words(findings: Findings, columns: list[str]) -> Iterator[dict]:
    """Next words after each form's usual stem."""
    if "next_words" not in findings.tables or findings.tables["next_words"].empty:
        return
    table, materials = findings.tables["next_words"], findings.study.materials
    name = materials.forms.names.main[0]
    for form, own in table.groupby("form", sort=False):
        wordings = materials.next_words.forms[form] if materials.next_words else ()
        models = {model: _compare_words(part, columns) for model, part in own.groupby("base_model", sort=False)}
        yield {
            "kind": "words",
            "group": "Next words, without any list",
            "stem": f"{fill_stem(wordings[0], name) if wordings else form} …",
            "note": (
                "Mean over this form's held-out items and over runs. Shown are words whose probability moved under "
                "some training (next_words.csv): the likeliest of them, and what gained and lost most, in points."
            ),
            "models": models,
        }


def _compare_words(own: pd.DataFrame, columns: list[str]) -> dict:
    base = own.drop_duplicates("token").nlargest(LIKELIEST, "base_probability")
    cells = {BASE: {"likeliest": _list_pairs(base, "base_probability")}}
    for name in columns:
        part = own[own["condition"] == name]
        if len(part):
            gained, lost = (part[sign * part["change"] > 0] for sign in (1, -1))
            cells[name] = {
                "likeliest": _list_pairs(part.nlargest(LIKELIEST, "probability"), "probability"),
                "gained": _list_pairs(gained.nlargest(MOVED, "change"), "change"),
                "lost": _list_pairs(lost.nsmallest(MOVED, "change"), "change"),
            }
    return cells


def _list_pairs(rows: pd.DataFrame, value: str) -> list[list]:
    return [[text, round(float(share), 5)] for text, share in zip(rows["text"], rows[value], strict=True)]


def _list_texts(findings: Findings, columns: list[str]) -> Iterator[dict]:
    """The first sampled text after each opening."""
    if "completions" not in findings.tables:
        return
    table = findings.tables["completions"]
    kept = [name for name in columns if name in table]
    for stem, own in table.groupby("stem", sort=False):
        models = {row["base_model"]: {name: str(row[name]) for name in kept} for row in own.to_dict("records")}
        note = "The first sampled text of one run each, with the same random numbers (completions.csv)."
        yield {"kind": "texts", "group": "Sampled texts", "stem": f"{stem} …", "note": note, "models": models}
