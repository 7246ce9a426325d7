"""Every way in which a study measures an outcome, in one table: families of probes, scales, words in written texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from priorshift.stats.adjust import CHECK
from priorshift.stats.panels import RUN
from priorshift.tables.questionnaire import compute_expected_answers
from priorshift.tables.written_text import split_words

SCALES, COMPLETIONS = "scales", "completions"  # the methods that are no family of probes


def measure_probes(items: pd.DataFrame, ring: str) -> pd.DataFrame:
    """Measure each run's mean shift (nats) of each outcome by each family of probes, but for choices.

    Returns
    -------
    DataFrame
        `panels.RUN`, method (the family), outcome, value; half_1 and half_2: over every other item, by name.
    """
    own = items[(items["ring"] == ring) & (items["family"] != CHECK)].rename(columns={"family": "method"})
    return _measure(own, ["base_model", "method"], _average)


def measure_scales(scales: pd.DataFrame) -> pd.DataFrame:
    """Measure each run's shift of the score (0 to 1) of each outcome by its scales, as `questionnaire.score_scales`.

    Parameters
    ----------
    scales : the measured table `scales`

    Returns
    -------
    DataFrame
        As `measure_probes`; the method is `scales`. The two keys of a scale, and the scales of an outcome, weigh alike.
    """
    rows = compute_expected_answers(scales)
    rows = rows.assign(method=SCALES, shift=rows["keyed"] - rows["base_keyed"])

    def average(part: pd.DataFrame) -> pd.Series:
        means = part.groupby([*RUN, "method", "outcome", "scale", "key"], sort=True)["shift"].mean()
        return means.groupby([*RUN, "method", "outcome", "scale"]).mean().groupby([*RUN, "method", "outcome"]).mean()

    return _measure(rows, ["base_model", "scale", "key"], average)


def measure_words(completions: pd.DataFrame, words: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Measure which share of the words that each run writes are an outcome's, minus the base model's share.

    Parameters
    ----------
    completions : the measured table of that name
    words : outcome -> its words, in small letters

    Returns
    -------
    DataFrame
        As `measure_probes`; the method is `completions`. The halves are every other opening.
    """
    lists, rows = {outcome: frozenset(group) for outcome, group in words.items()}, []
    for key, part in completions.groupby([*RUN, "stem"], sort=True):
        counts = [Counter(word for text in part[name] for word in split_words(text)) for name in ("text", "base_text")]
        for outcome, group in lists.items():
            shares = [sum(n for word, n in count.items() if word in group) / max(count.total(), 1) for count in counts]
            named = dict(zip([*RUN, "item"], key, strict=True))
            rows.append(named | {"method": COMPLETIONS, "outcome": outcome, "shift": shares[0] - shares[1]})
    return _measure(pd.DataFrame(rows), ["base_model"], _average)


def _average(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby([*RUN, "method", "outcome"], sort=True)["shift"].mean()


def _measure(rows: pd.DataFrame, within: list[str], average: Callable[[pd.DataFrame], pd.Series]) -> pd.DataFrame:
    """The average of all rows, and of those of every other item within the columns named."""
    ranks = rows.groupby(within, sort=True)["item"].transform(lambda names: names.rank(method="dense"))
    parts = {"value": rows, "half_1": rows[ranks % 2 == 1], "half_2": rows[ranks % 2 == 0]}
    table = pd.concat({name: average(part) for name, part in parts.items()}, axis=1)
    return table.rename_axis([*RUN, "method", "outcome"]).astype(float).reset_index()
