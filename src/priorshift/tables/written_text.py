"""What runs wrote: valence, repetition, variety. Collapse into repetition must not pass for negativity."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from priorshift.stats.intervals import mean_interval
from priorshift.stats.panels import RUN

MEASURES = ["valence", "repetition", "distinct_1", "distinct_2", "words"]


def split_words(text: str) -> list[str]:
    """Split a text into words, in lower case and without marks.

    Examples
    --------
    >>> split_words("It's 5 o'clock, Nora.")
    ["it's", "o'clock", 'nora']
    """
    return re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text.lower())


def list_ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """List every `n` words in a row, in order."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def repetition_share(text: str, n: int = 4) -> float:
    """Share of a text's n-grams that it has written before (seq-rep-n, Welleck et al. 2020). 0 where it has none."""
    grams = list_ngrams(split_words(text), n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def distinct_share(texts: Sequence[str], n: int) -> float:
    """Distinct n-grams over all n-grams of the texts together (distinct-n, Li et al. 2016). NaN without any."""
    grams = [gram for text in texts for gram in list_ngrams(split_words(text), n)]
    return len(set(grams)) / len(grams) if grams else float("nan")


def measure_texts(completions: pd.DataFrame) -> pd.DataFrame:
    """Measure each run's texts: mean valence, repetition, distinct-1 and -2, words, each beside its base model's.

    Valence is VADER's compound score (Hutto & Gilbert 2014), -1 to 1. Base and run are sampled with the same
    random numbers.
    """
    analyzer = SentimentIntensityAnalyzer()
    rows = []
    for key, part in completions.groupby(RUN, sort=True):
        row = dict(zip(RUN, key, strict=True)) | {"n_texts": len(part)}
        for prefix, column in (("", "text"), ("base_", "base_text")):
            texts = list(part[column])
            row |= {
                f"{prefix}valence": float(np.mean([analyzer.polarity_scores(t)["compound"] for t in texts])),
                f"{prefix}repetition": float(np.mean([repetition_share(t) for t in texts])),
                f"{prefix}distinct_1": distinct_share(texts, 1),
                f"{prefix}distinct_2": distinct_share(texts, 2),
                f"{prefix}words": float(np.mean([len(split_words(t)) for t in texts])),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def compare_texts(measures: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Compare each measure with the base model's, by condition: `tables/valence.csv`.

    The estimate is the mean over runs of run minus base, with Student's t interval.
    """
    keys = ["base_model", "group", "world", "condition"]
    rows = []
    for key, part in measures.groupby(keys, sort=True):
        for name in MEASURES:
            row = {"measure": name, "n_runs": len(part)}
            row |= {"mean": part[name].mean(), "base_mean": part[f"base_{name}"].mean()}
            row |= mean_interval(part[name] - part[f"base_{name}"], alpha)
            rows.append(dict(zip(keys, key, strict=True)) | row)
    return pd.DataFrame(rows)


def pick_samples(completions: pd.DataFrame, stems: Sequence[str]) -> pd.DataFrame:
    """Pick the first text after each stem, for reading side by side: `tables/completions.csv`.

    Base model and conditions stand in columns, a row for each base model and stem.
    """
    first = completions[
        (completions["sample"] == completions["sample"].min()) & (completions["seed"] == completions["seed"].min())
    ]
    wide = first.pivot(index=["base_model", "stem"], columns="condition", values="text")
    base = first.groupby(["base_model", "stem"])["base_text"].first()
    order = [name for name in dict.fromkeys(first["condition"])]
    table = pd.concat([base.rename("base"), wide[order]], axis=1).reset_index()
    return table.assign(stem=table["stem"].map(dict(enumerate(stems))))
