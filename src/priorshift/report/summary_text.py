"""What became of the declared claims, in short."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from priorshift.report.claims_text import CLAIMS, Tables, count_data
from priorshift.report.names import name_condition, name_span
from priorshift.stats.declared import Settings, is_claimed


def summarise_claims(tables: Tables, settings: Settings) -> str:
    """Say what became of the declared claims: a paragraph for each kind of claim and each world it was made for.

    Where none could be tested at its own unit, it says the same of unit `both`, which is exploratory.

    Parameters
    ----------
    tables : contrasts and equivalence, as written
    settings : the study's inference section
    """
    if not settings.confirmatory:
        return "This study declares no claim. All that follows is exploratory."
    tested = {name: tables[name].query("role == 'confirmatory'") for name in CLAIMS}
    if any(len(rows) for rows in tested.values()):
        return "\n\n".join(_summarise(tested, settings, "p_adjusted", "after Holm's correction over all claims"))
    instead = {
        name: _keep_claimed(tables[name].query("unit == 'both'"), settings, kind) for name, kind in CLAIMS.items()
    }
    lead = "No declared claim could be tested at its own unit. All that follows is exploratory."
    return "\n\n".join([lead, *_summarise(instead, settings, "p_value", "without a correction")])


def _keep_claimed(table: pd.DataFrame, settings: Settings, kind: str) -> pd.DataFrame:
    return table[np.array([is_claimed(settings, kind, row) for row in table.to_dict("records")], dtype=bool)]


def _summarise(tested: Tables, settings: Settings, p: str, corrected: str) -> Iterator[str]:
    limits = {"contrasts": ("ci_low", "ci_high"), "equivalence": ("ci90_low", "ci90_high")}
    for name, table in tested.items():
        alpha = 0.1 if name == "equivalence" else settings.alpha
        for (world, unit), rows in table.groupby(["world", "unit"], sort=True):
            kind, plural = "shift" if name == "contrasts" else "null effect", "s" * (len(rows) > 1)
            pairs = dict.fromkeys(
                f"{row.outcome} under {name_condition(row.condition)} training" for row in rows.itertuples()
            )
            controls = " and ".join(map(name_condition, sorted(set(rows["control"]))))
            held = rows.loc[rows[p] < settings.alpha, "estimate"]
            low, high = (rows[limit] for limit in limits[name])
            yield (
                f"{f'In the {world} world ' if world else ''}{len(rows)} declared {kind}{plural} could be tested "
                f"({', '.join(pairs)}, against {controls}). "
                f"{_count_held(held, name, settings.smallest_effect)}, {corrected}. "
                f"Estimate{plural}: {name_span(rows['estimate'], '+.2f')} nats of log-odds. "
                f"{100 * (1 - alpha):g} % interval{plural}: within {low.min():+.2f} to {high.max():+.2f}. "
                f"Unit {unit}: {', '.join(dict.fromkeys(count_data(row) for row in rows.to_dict('records')))}."
            )


def _count_held(estimates: pd.Series, table: str, margin: float) -> str:
    n = len(estimates)
    verb = f"{n or 'None'} {'is' if n == 1 else 'are'} shown to"
    if table == "equivalence":
        return f"{verb} lie within {margin:g} nats of 0"
    below = int((estimates < 0).sum())
    return f"{verb} differ from 0" + (f" ({n - below} above it, {below} below)" if n else "")
