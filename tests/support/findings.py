"""Findings to report: those of the committed study, and of a hub model with a known truth."""

from __future__ import annotations

import pandas as pd
from support.report_tables import make_tables
from support.synthetic_items import study as make_items

from priorshift.page.parts import Findings, read_findings
from priorshift.study.load import load_study

HUB = "smollm2-360m"
FAMILIES = ("next_words", "feeling", "interpretation")


def read_embedded(root):
    """The committed study of both worlds."""
    return read_findings(load_study(root / "params/embedded.yaml", root / "outputs"))


def make_hub_findings(root, outputs, claims=True):
    """The study of params/laptop.yaml, as if it had been run: synthetic shifts, next words, texts; maybe no claim."""
    study = load_study(root / "params/laptop.yaml", outputs)
    if not claims:
        study.params.inference.claims.clear()
    items = make_items(models=[(HUB, HUB, "")], families=FAMILIES)
    tables = make_tables(items, study.params.inference) | {
        "next_words": make_next_words(sorted(study.materials.next_words.forms)[:2]),
        "completions": make_completions(),
        "choice_check": make_checks(items, "probability", 0.9).assign(ring="held_out_domains"),
        "retention": make_checks(items, "ratio", 1.01),
    }
    return Findings(study, tables)


def make_next_words(forms):
    """Of each form, "sad" gains .2 under depression and "fine" loses .1; paranoia and neutral move them by .01."""
    rows = [
        (HUB, HUB, "", condition, form, token, text, 3, base, base + change, change, 0.01)
        for form in forms
        for condition, moved in (("depression", (0.2, -0.1)), ("paranoia", (0.01, -0.01)), ("neutral", (0.01, -0.01)))
        for token, (text, base, change) in enumerate(zip((" sad", " fine"), (0.1, 0.4), moved, strict=True))
    ]
    names = ["base_model", "group", "world", "condition", "form", "token", "text", "n_runs", "base_probability"]
    return pd.DataFrame(rows, columns=[*names, "probability", "change", "control_change"])


def make_completions():
    """One opening and its texts."""
    texts = {"base": " was <b>fine</b>.", "depression": " was lost.", "paranoia": " was watched.", "neutral": " was."}
    return pd.DataFrame([{"base_model": HUB, "stem": "The day"} | texts])


def make_checks(items, column, value):
    """The same value for each run."""
    return items[["base_model", "group", "world", "condition", "seed"]].drop_duplicates().assign(**{column: value})
