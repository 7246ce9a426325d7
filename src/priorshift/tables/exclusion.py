"""Which items to leave out, by criteria declared before any result, and what leaving them out changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from priorshift.probing.items import ProbeItem
from priorshift.stats.declared import KEY
from priorshift.study.sections import Exclusion
from priorshift.tables.written_text import list_ngrams, split_words

EXCLUDED = ["base_model", "family", "ring", "item", "reason", "found"]


def list_excluded_items(
    measured: pd.DataFrame, items: Sequence[ProbeItem], training: Iterable[str], criteria: Exclusion
) -> pd.DataFrame:
    """List the items that the criteria leave out, with the reason: `tables/excluded.csv`.

    Parameters
    ----------
    measured : the items table of all runs
    items : the same items, with their texts
    training : every text that any run was trained on, so that an item is left out of all runs or of none
    criteria : the study's `exclusion` section

    Returns
    -------
    DataFrame
        Columns `EXCLUDED`: a row for each base model, item and reason. `found` is the shared words, the covered mass
        under the base model, or empty.
    """
    keys = ["base_model", "family", "ring", "item"]
    rows = measured.groupby(keys, sort=True)[["base_covered_mass", "ambiguous"]].first().reset_index()
    made = []
    if criteria.ngram:
        shared = find_overlaps(items, training, criteria.ngram)
        hit = rows[rows["item"].isin(shared)]
        reason = f"{criteria.ngram} words in a row occur in a training text"
        made.append(hit.assign(reason=reason, found=hit["item"].map(shared)))
    if criteria.covered_mass:
        # Choices only check that training took: what they show is told whatever their phrases hold.
        hit = rows[(rows["base_covered_mass"] < criteria.covered_mass) & (rows["family"] != "choice")]
        reason = f"covered mass under the base model below {criteria.covered_mass:g}"
        made.append(hit.assign(reason=reason, found=hit["base_covered_mass"].map("{:.3g}".format)))
    if criteria.ambiguous_tokenization:
        made.append(rows[rows["ambiguous"]].assign(reason="stem and continuation share a token", found=""))
    table = pd.concat(made)[EXCLUDED] if made else pd.DataFrame(columns=EXCLUDED)
    return table.sort_values(EXCLUDED[:-1], kind="stable").reset_index(drop=True)


def find_overlaps(items: Sequence[ProbeItem], training: Iterable[str], n: int) -> dict[str, str]:
    """Find the first `n` words in a row, within a sentence, that an item shares with a training text.

    Where an overlap is what is measured it does not count. Situations of the training domains are trained on by
    definition, and so are the phrases of choices.

    Returns
    -------
    dict
        Item -> the shared words; items without any are not in it.
    """
    seen = {gram for text in set(training) for gram in _grams(text, n)}
    found = {}
    for item in items:
        texts = [] if item.ring == "training_domains" else [item.stem]
        if item.family != "choice":
            texts += [f"{item.stem}{phrase}" for group in item.candidates.values() for phrase in group]
        # The stem of a training-domain item counts only as far as it runs into a continuation.
        known = set(_grams(item.stem, n)) if item.ring == "training_domains" else set()
        shared = next((g for text in texts for g in _grams(text, n) if g in seen and g not in known), None)
        if shared:
            found[item.item] = " ".join(shared)
    return found


def _grams(text: str, n: int) -> list[tuple[str, ...]]:
    return [gram for part in re.split(r'[.;:?!"]', text) for gram in list_ngrams(split_words(part), n)]


def leave_out(measured: pd.DataFrame, excluded: pd.DataFrame) -> pd.DataFrame:
    """Leave each base model's excluded items out of a table by base model and item."""
    out = pd.MultiIndex.from_frame(excluded[["base_model", "item"]])
    return measured[~pd.MultiIndex.from_frame(measured[["base_model", "item"]]).isin(out)]


def compare_contrasts(everything: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Set the contrasts over all items beside those over the items kept: `tables/exclusion_effect.csv`."""
    values = ["n_items", "estimate", "ci_low", "ci_high", "p_value"]
    parts = [table.set_index(KEY)[values] for table in (everything, kept)]
    joined = parts[0].join(parts[1], lsuffix="_all", rsuffix="_kept", how="outer").reset_index()
    return joined.assign(difference=joined["estimate_kept"] - joined["estimate_all"])
