"""Is a shift too small to matter? Two one-sided tests against the smallest effect of interest, and against others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from priorshift.stats.adjust import holm
from priorshift.stats.declared import DECLARED, EXPLORATORY, KEY, Settings
from priorshift.stats.intervals import t_interval

EQUIVALENCE_CURVE = [
    *KEY, "estimate", "margin", "p_value", "p_adjusted", "equivalent", "least_margin", "role",
]  # fmt: skip
MARGINS = tuple(round(0.1 + 0.05 * k, 2) for k in range(19))  # .1 to 1 nat


def add_equivalence(estimated: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Adds two one-sided tests of each contrast against +-margin nats (Schuirmann 1987, J. Pharmacokin. 15, 657).

    p_lower tests estimate > -margin, p_upper estimate < margin. p_value is the greater: it lies below .05 where the
    90 % interval, always shown, lies within the margin.

    Parameters
    ----------
    estimated : DataFrame
        With estimate, se (nats) and df.
    """
    estimate, se, df = (estimated[name].to_numpy(float) for name in ("estimate", "se", "df"))
    margin = float(margin)
    low, high, _ = t_interval(estimate, se, df, 0.10)
    p_lower, p_upper = stats.t.sf((estimate + margin) / se, df), stats.t.cdf((estimate - margin) / se, df)
    numbers = {"ci90_low": low, "ci90_high": high, "margin": margin, "p_lower": p_lower, "p_upper": p_upper}
    return estimated.assign(**numbers, p_value=np.maximum(p_lower, p_upper))


def vary_margin(declared: pd.DataFrame, other_p_values: np.ndarray, settings: Settings) -> pd.DataFrame:
    """The declared equivalences over other smallest effects of interest: `MARGINS`, and the declared one.

    At each margin the tests are Holm-corrected as the declared ones are, together with all other declared claims.

    Parameters
    ----------
    declared : DataFrame
        KEY, estimate, se (nats) and df of the declared equivalences.
    other_p_values : array
        Of the other declared claims. One that could not be estimated counts as 1.

    Returns
    -------
    DataFrame
        Columns `EQUIVALENCE_CURVE`, ascending by margin within a claim. equivalent: p_adjusted lies below alpha.
        least_margin: the least of these margins at which the claim holds, NaN where it holds at none. What holds at a
        margin holds at every greater one. role: declared at the declared margin, exploratory elsewhere.
    """
    if declared.empty:
        return pd.DataFrame(columns=EQUIVALENCE_CURVE)
    parts = []
    for margin in sorted({*MARGINS, float(settings.smallest_effect)}):
        tested = add_equivalence(declared, margin)
        p_adjusted = holm([*tested["p_value"], *other_p_values])[: len(tested)]
        role = DECLARED if margin == settings.smallest_effect else EXPLORATORY
        parts.append(tested.assign(p_adjusted=p_adjusted, equivalent=p_adjusted < settings.alpha, role=role))
    table = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    held = table["margin"].where(table["equivalent"]).groupby([table[name] for name in KEY], sort=False)
    return table.assign(least_margin=held.transform("min"))[EQUIVALENCE_CURVE]
