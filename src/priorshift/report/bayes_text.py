"""The Bayesian fits beside their tests, in words and in one table."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from priorshift.report.names import drop_empty_world, name_span
from priorshift.stats.declared import choose_unit

SHOWN = [
    "base_model", "world", "condition", "control", "family", "outcome", "unit", "t interval", "Bayesian interval",
    "p_direction", "p_within", "verdict",
]  # fmt: skip


def describe_bayes(tables: Mapping[str, pd.DataFrame]) -> tuple[str, pd.DataFrame]:
    """Set each declared contrast's Bayesian interval beside that of its test, at the unit of its claim.

    Parameters
    ----------
    tables : bayes, where there is one

    Returns
    -------
    str, DataFrame
        What the table shows, as Markdown (empty where the study has no such fit), and the table (intervals in nats).
    """
    if "bayes" not in tables or tables["bayes"].empty:
        return "", pd.DataFrame()
    fits = tables["bayes"]
    rows = fits[fits["unit"] == fits["world"].map(choose_unit)]
    first, unsound = fits.iloc[0], int((~fits["sound"].astype(bool)).sum())
    text = (
        "The declared contrasts fitted with weakly informative priors, beside their tests. SDs have half-t priors of "
        f"scale {first['prior_sd']:g} nats, the difference and the mean t priors of scale {first['prior_effect']:g}. "
        "`p_direction` is the posterior probability of the declared direction, `p_within` that of a difference within "
        f"the smallest effect. All of it is exploratory. {_say_sound(unsound, len(fits))}"
    )
    shown = rows.assign(
        **{
            "t interval": _write_intervals(rows, "t_low", "t_high"),
            "Bayesian interval": _write_intervals(rows, "ci_low", "ci_high"),
        }
    )[SHOWN].reset_index(drop=True)
    return text, drop_empty_world(shown.round({"p_direction": 3, "p_within": 3}))


def describe_bayes_level(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say how often the fits' 95 % intervals held the truth, and whether ranks were uniform. Empty without such tables.

    Parameters
    ----------
    tables : bayes_level, where there is one
    """
    if "bayes_level" not in tables:
        return ""
    rows = tables["bayes_level"]
    wide, bands = rows[rows["level"] == rows["level"].max()], rows.drop_duplicates(["unit", "domains", "quantity"])
    off = int((bands["p_uniform"] < 0.05).sum())
    effects = wide[wide["quantity"] == "effect"]
    unsound = effects["unsound"].sum()
    ratio = effects["median_width"] / effects["t_median_width"]
    return (
        f"{name_span(wide['simulations'])} simulated data sets of each design. 95 % intervals held "
        f"{name_span(wide['coverage'], '.1%')} of the true values. Ranks of {off} of {len(bands)} quantities are not "
        f"uniform at 5 %. {_say_sound(int(unsound), int(effects['simulations'].sum()))} Intervals of the effect are "
        f"{name_span(ratio, '.2f')} times as wide as the t interval of the same data (medians)."
    )


def _say_sound(unsound: int, fits: int) -> str:
    if not unsound:
        return f"All {fits} fits are sound."
    return f"{unsound} of {fits} fits are not sound: R-hat above 1.01, too few effective draws, or divergences."


def _write_intervals(rows: pd.DataFrame, low: str, high: str) -> list[str]:
    pairs = zip(rows[low], rows[high], strict=True)
    return ["" if pd.isna(a) else f"{a:+.2f} to {b:+.2f}" for a, b in pairs]
