"""Claims of a study: every contrast, its equivalence to 0 and the difference of worlds, corrected once.

What is declared is tested at unit `both` for a hub model (world ""), and at unit `base` for an embedded architecture.
It is Holm-corrected once, over all tables. All else is exploratory (`adjust.adjust_claims`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.stats.adjust import adjust_claims
from priorshift.stats.contrasts import (
    WORLD_COUNTS,
    compare_worlds,
    estimate_pairs,
    list_other_pairs,
    list_pairs,
)
from priorshift.stats.declared import (
    DECLARED,
    EXPLORATORY,
    KEY,
    Settings,
    find_direction,
    find_role,
    keep_claims,
    match_direction,
)
from priorshift.stats.equivalence import add_equivalence, vary_margin
from priorshift.stats.intervals import add_intervals, t_interval
from priorshift.stats.panels import build_panels

_TESTED = [
    "estimate", "ci_low", "ci_high", "effect_size", "effect_size_name", "statistic", "df", "p_value", "p_adjusted",
    "role", "effect_low", "effect_high", "caution",
]  # fmt: skip
CONTRASTS = [
    *KEY, "test", "n_runs", "n_items", "domains", "sd_domain", *_TESTED, "direction", "holds", "sd_sets", "sets_low",
    "sets_high", "sets_p_value",
]  # fmt: skip
EQUIVALENCE = [
    *KEY, "test", "n_runs", "n_items", "domains", "estimate", "df", "ci90_low", "ci90_high", "margin", "p_lower",
    "p_upper", "p_value", "p_adjusted", "equivalent", "role", "caution",
]  # fmt: skip
WORLDS = [*(name for name in KEY if name != "world"), *WORLD_COUNTS, *_TESTED]
_COLUMNS = {"contrasts": CONTRASTS, "equivalence": EQUIVALENCE, "world_difference": WORLDS}
NOT_ESTIMABLE = ["table", *KEY, "role", "reason"]


def estimate_claims(
    items: pd.DataFrame, settings: Settings, measured: pd.DataFrame | None = None
) -> dict[str, pd.DataFrame]:
    """Every claim of a study, estimated once and corrected once.

    Parameters
    ----------
    items : DataFrame
        One row per base model x condition x seed x item x outcome (`panels.check_items`).
    settings : Settings
        What was decided before any result.
    measured : DataFrame, optional
        The items before any were left out: a declared claim on a base model with none left is refused, not forgotten.

    Returns
    -------
    dict of DataFrame
        * contrasts: columns `CONTRASTS`, each treatment minus each control at every unit, and at units `both` and
          `base` each other condition minus the first control. direction: the one in which this contrast was declared
          to shift, if any. holds: of declared rows alone, whether p_adjusted is below alpha (two-sided) and the
          estimate lies on the declared side. sd_sets, sets_low, sets_high, sets_p_value: of unit `base`, as if
          training sets and first weights were random too (`training_sets`; exploratory, not corrected)
        * equivalence: columns `EQUIVALENCE`; see `equivalence.add_equivalence`. `equivalent`: p below alpha, corrected
          where declared
        * equivalence_curve: the declared ones at other margins; see `equivalence.vary_margin`
        * world_difference: columns `WORLDS`, coupled minus decoupled of each contrast of unit `base` (nats): Welch's
          t over base checkpoints, which n_coupled and n_decoupled count. All rows are exploratory
        * not_estimable: columns `NOT_ESTIMABLE`, what could not be estimated, and why; equivalence has rows of its
          own where it was declared

        p_adjusted: `adjust.adjust_claims`. caution: `estimates.warn_of_level`.
        Where nothing could be tested, a table has no rows.
    """
    panels, pairs = build_panels(items), list_pairs(settings, settings.treatments)
    others = list_other_pairs(items["condition"], settings)
    estimated, refused = estimate_pairs(panels, settings, pairs, items if measured is None else measured, others)
    differences, unequal = compare_worlds(panels, pairs)
    tables = {
        "contrasts": _add_role(add_intervals(estimated, settings.alpha), settings, "shift"),
        "equivalence": _add_role(add_equivalence(estimated, settings.smallest_effect), settings, "equivalence"),
        "world_difference": add_intervals(differences, settings.alpha).assign(role=EXPLORATORY),
    }
    not_estimable = _list_refused(refused, unequal, settings)
    n_refused = len(keep_claims(not_estimable))
    tables = adjust_claims(tables, n_refused)
    tables["equivalence"] = _judge_equivalence(tables["equivalence"], settings.alpha)
    tables["contrasts"] = _add_verdict(_vary_sets(tables["contrasts"], settings.alpha), settings)
    curve = _draw_curve(tables, n_refused, settings)
    made = {name: table[_COLUMNS[name]] for name, table in tables.items()}
    return made | {"equivalence_curve": curve, "not_estimable": not_estimable}


def _draw_curve(tables: dict[str, pd.DataFrame], n_refused: int, settings: Settings) -> pd.DataFrame:
    """The declared equivalences at other margins, corrected together with every other claim."""
    shifts, nulls = (keep_claims(tables[name]) for name in ("contrasts", "equivalence"))
    return vary_margin(nulls, np.append(shifts["p_value"].to_numpy(float), np.ones(n_refused)), settings)


def _list_refused(refused: pd.DataFrame, unequal: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    shifts = _add_role(refused.query("kind != 'equivalence'"), settings, "shift")
    nulls = keep_claims(_add_role(refused.query("kind != 'shift'"), settings, "equivalence"))
    parts = [
        shifts.assign(table="contrasts"),
        nulls.assign(table="equivalence"),
        unequal.assign(table="world_difference", role=EXPLORATORY),
    ]
    return pd.concat(parts, ignore_index=True).reindex(columns=NOT_ESTIMABLE)


def _add_role(table: pd.DataFrame, settings: Settings, kind: str) -> pd.DataFrame:
    return table.assign(role=[find_role(settings, kind, row) for row in table[KEY].to_dict("records")])


def _judge_equivalence(null: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """A declared claim holds by its corrected p, any other by its plain one. The table has both."""
    p_value = null["p_adjusted"].where(null["role"] == DECLARED, null["p_value"])
    return null.assign(equivalent=p_value < alpha)


def _vary_sets(contrasts: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Adds the interval and p of unit `base` where training sets are random too. NaN at other units."""
    estimate, se, df = (contrasts[name].to_numpy(float) for name in ("estimate", "se_sets", "df_sets"))
    low, high, p_value = t_interval(estimate, se, df, alpha)
    return contrasts.assign(sets_low=low, sets_high=high, sets_p_value=p_value)


def _add_verdict(contrasts: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Adds direction and holds (True, False or, where nothing is tested for a claim, NA)."""
    rows = contrasts[KEY].to_dict("records")
    direction = pd.Series([find_direction(settings, row) for row in rows], index=contrasts.index, dtype=object)
    holds = (contrasts["p_adjusted"] < settings.alpha) & match_direction(contrasts["estimate"], direction)
    holds = holds.astype("boolean").where(contrasts["role"] == DECLARED)
    return contrasts.assign(direction=direction, holds=holds)
