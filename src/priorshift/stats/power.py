"""How many runs, items, checkpoints? Power of unit `both` from variance components, of `base` from checkpoints."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from priorshift.stats.claim_panels import list_by_base_model
from priorshift.stats.crossed import CrossedFit, fit_crossed
from priorshift.stats.declared import CLAIM, Settings, keep_claims
from priorshift.stats.domains import choose_domains
from priorshift.stats.reml import CONTRAST

MOST_RUNS = 20
MOST_CHECKPOINTS = 20
DRAWS = 2000  # of a standard error, at equally spaced quantiles
ITEM_FACTORS = (0.5, 1.0, 2.0)  # of the number of items that was measured
POWER = [
    *CLAIM, "unit", "sd_run_control", "sd_run_treatment", "sd_slope", "sd_domain", "sd_residual", "n_runs", "n_items",
    "measured_items", "effect", "se", "df", "power",
]  # fmt: skip
CHECKPOINT_POWER = [*CLAIM, "claim", "unit", "sd", "n_checkpoints", "effect", "power"]


def estimate_power(items: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Power to find the smallest effect of interest, for each declared claim and base model.

    Returns
    -------
    DataFrame
        Columns `POWER`. n_runs: runs of each condition; sd_*: the fitted components in nats (sd_slope and sd_domain:
        SD over items, and over domains, of the difference between conditions). The number of domains stays.
        Components come from the runs at hand: with three a side they are rough, and so is the answer.
    """
    rows = []
    for claim in list_by_base_model(items, settings):
        (panel,), (treatment, control) = claim.checkpoints, claim.select_sides()
        measured = treatment.shape[1]
        try:
            with np.errstate(all="ignore"):
                fit = fit_crossed(treatment, control, domains=choose_domains(treatment, control, panel.domains))
        except np.linalg.LinAlgError:
            continue
        if not fit.se > 0:
            continue
        slopes = [float(CONTRAST @ covariance @ CONTRAST) for covariance in (fit.cov_item, fit.cov_domain)]
        sds = np.sqrt(np.maximum([*fit.var_run, *slopes, fit.var_residual], 0.0))
        shared = {
            **claim.claim, "unit": "both", **dict(zip(POWER[len(CLAIM) + 1 :], sds, strict=False)),
            "measured_items": measured, "effect": settings.smallest_effect,
        }  # fmt: skip
        for n_items in sorted({max(2, round(measured * factor)) for factor in ITEM_FACTORS}):
            for n_runs in range(2, MOST_RUNS + 1):
                made = compute_power(fit, n_runs, n_items, settings.smallest_effect, settings.alpha)
                rows.append({**shared, "n_runs": n_runs, "n_items": n_items, **made})
    return pd.DataFrame(rows, columns=POWER)


def compute_power(fit: CrossedFit, n_runs: int, n_items: int, effect: float, alpha: float) -> dict[str, float]:
    """se (nats), Satterthwaite df and power of a two-sided test of `effect` nats with `n_runs` in each condition.

    The mean squares of `crossed` at their expectations, and a noncentral t (Westfall, Kenny & Judd 2014).
    Domains, where they vary, are as many as were fitted.
    """
    residual = fit.var_residual / (n_runs * n_items)
    of_runs = fit.var_run / n_runs + residual  # [2]
    of_items = max(float(CONTRAST @ fit.cov_item @ CONTRAST), 0.0) / n_items + 2 * residual
    units, of_domains = n_items, max(float(CONTRAST @ fit.cov_domain @ CONTRAST), 0.0)
    if of_domains > 0:
        units, of_items = fit.n_domains, of_items + of_domains / fit.n_domains
    variance = float(of_runs.sum()) + of_items - 2 * residual
    below = float((of_runs**2).sum()) / (n_runs - 1) + of_items**2 / (units - 1)
    below += (2 * residual) ** 2 / (2 * (n_runs - 1) * (n_items - 1))
    # The residual that is taken off may leave less than any part has: a fit would have pooled it.
    df, se = max(variance**2 / below, min(n_runs, units) - 1.0), float(np.sqrt(variance))
    return {"se": se, "df": df, "power": _compute_tail(df, effect / se, stats.t.ppf(1 - alpha / 2, df))}


def _compute_tail(df: float, centre: float, critical: float) -> float:
    """P(|t| > critical) of a noncentral t."""
    if centre < 30:
        below, above = special.nctdtr(df, centre, [-critical, critical])
        return float(np.nan_to_num(below) + 1 - above)  # SciPy gives NaN for a tail too small for its series
    # Beyond SciPy's series. A t is then its noncentrality over the chi of its standard error.
    return float(stats.chi2.cdf(df * (centre / critical) ** 2, df))


def estimate_checkpoint_power(contrasts: pd.DataFrame, equivalence: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Power of unit `base` for each claim that was tested there, by number of base checkpoints.

    A shift: the smallest effect of interest, two-sided t. Equivalence: a true shift of 0, two one-sided tests. It is
    exact for the estimate given its standard error, and averaged over `DRAWS` of that (nothing else is random).

    Parameters
    ----------
    contrasts, equivalence : DataFrame
        As `claims.estimate_claims` made them.

    Returns
    -------
    DataFrame
        Columns `CHECKPOINT_POWER`; sd: of checkpoints' differences (nats), as they were measured. Uncorrected.
    """
    rows, margin = [], float(settings.smallest_effect)
    se = contrasts.set_index([*CLAIM, "unit"]).eval("estimate / statistic").abs()
    for kind, table in (("shift", contrasts), ("equivalence", equivalence)):
        for row in keep_claims(table[table["unit"] == "base"]).to_dict("records"):
            key = tuple(row[name] for name in CLAIM)
            sd = float(se[(*key, "base")] * np.sqrt(row["df"] + 1))
            for n in range(2, MOST_CHECKPOINTS + 1):
                power = POWER_OF[kind](sd, n, margin, settings.alpha)
                rows.append({
                    **dict(zip(CLAIM, key, strict=True)), "claim": kind, "unit": "base", "sd": sd, "n_checkpoints": n,
                    "effect": margin, "power": power,
                })  # fmt: skip
    return pd.DataFrame(rows, columns=CHECKPOINT_POWER)


def _compute_shift_power(sd: float, n: int, effect: float, alpha: float) -> float:
    critical, centre = stats.t.ppf(1 - alpha / 2, n - 1), effect / (sd / np.sqrt(n))
    return _compute_tail(n - 1, centre, critical)


def _compute_equivalence_power(sd: float, n: int, margin: float, alpha: float) -> float:
    """P(both one-sided tests reject | no shift): the estimate must lie within margin - t se, for each se."""
    se = sd / np.sqrt(n)
    drawn = se * np.sqrt(stats.chi2.ppf((np.arange(DRAWS) + 0.5) / DRAWS, n - 1) / (n - 1))
    room = np.maximum(margin - stats.t.ppf(1 - alpha, n - 1) * drawn, 0.0)
    return float((2 * stats.norm.cdf(room / se) - 1).mean())


POWER_OF = {"shift": _compute_shift_power, "equivalence": _compute_equivalence_power}


def count_runs_needed(table: pd.DataFrame, target: float = 0.8) -> pd.DataFrame:
    """The least n_runs whose power reaches `target` with the items that were measured, per claim and base model.

    Returns
    -------
    DataFrame
        CLAIM, effect, n_items, n_runs (0: more than were looked at) and its power (the highest, where 0).
    """
    rows = []
    for key, part in table[table["n_items"] == table["measured_items"]].groupby(CLAIM, sort=True):
        enough = part[part["power"] >= target]
        best = (enough if len(enough) else part.tail(1)).iloc[0]
        n_runs = int(best["n_runs"]) if len(enough) else 0
        numbers = {"effect": best["effect"], "n_items": best["n_items"], "n_runs": n_runs, "power": best["power"]}
        rows.append({**dict(zip(CLAIM, key, strict=True)), **numbers})
    return pd.DataFrame(rows, columns=[*CLAIM, "effect", "n_items", "n_runs", "power"])
