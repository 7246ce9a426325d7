"""What became of the declared claims, in short."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from priorshift.report.claims_text import CLAIMS, Tables, count_data
from priorshift.report.names import name_condition, name_span
from priorshift.stats.declared import Settings, is_claimed, keep_claims, match_direction


def summarize_claims(tables: Tables, settings: Settings) -> str:
    """Say what became of the declared claims: a paragraph for each kind of claim and each world it was made for.

    Where none could be tested at its own unit, it says the same of unit `both`, which is exploratory.

    Parameters
    ----------
    tables : contrasts and equivalence, as written
    settings : the study's inference section
    """
    if not settings.claims:
        return "This study declares no claim. All that follows is exploratory."
    tested = {name: keep_claims(tables[name]) for name in CLAIMS}
    if any(len(rows) for rows in tested.values()):
        return "\n\n".join(_summarize(tested, settings, "p_adjusted", "after Holm's correction over all claims"))
    instead = {
        name: _keep_claimed(tables[name].query("unit == 'both'"), settings, kind) for name, kind in CLAIMS.items()
    }
    lead = "No declared claim could be tested at its own unit. All that follows is exploratory."
    return "\n\n".join([lead, *_summarize(instead, settings, "p_value", "without a correction")])


def _keep_claimed(table: pd.DataFrame, settings: Settings, kind: str) -> pd.DataFrame:
    return table[np.array([is_claimed(settings, kind, row) for row in table.to_dict("records")], dtype=bool)]


def _summarize(tested: Tables, settings: Settings, p: str, corrected: str) -> Iterator[str]:
    limits = {"contrasts": ("ci_low", "ci_high"), "equivalence": ("ci90_low", "ci90_high")}
    for name, table in tested.items():
        alpha = 0.1 if name == "equivalence" else settings.alpha
        for (world, unit), rows in table.groupby(["world", "unit"], sort=True):
            kind, plural = "shift" if name == "contrasts" else "null effect", "s" * (len(rows) > 1)
            pairs = dict.fromkeys(
                f"{row.outcome} under {name_condition(row.condition)} training" for row in rows.itertuples()
            )
            controls = " and ".join(map(name_condition, sorted(set(rows["control"]))))
            sure = rows[rows[p] < settings.alpha]
            low, high = (rows[limit] for limit in limits[name])
            yield (
                f"{f'In the {world} world ' if world else ''}{len(rows)} declared {kind}{plural} could be tested "
                f"({', '.join(pairs)}, against {controls}). "
                f"{_count_held(sure, name, settings.smallest_effect)}, {corrected}. "
                f"Estimate{plural}: {name_span(rows['estimate'], '+.2f')} nats of log-odds. "
                f"{100 * (1 - alpha):g} % interval{plural}: within {low.min():+.2f} to {high.max():+.2f}. "
                f"Unit {unit}: {', '.join(dict.fromkeys(count_data(row) for row in rows.to_dict('records')))}."
            )


def _count_held(sure: pd.DataFrame, table: str, margin: float) -> str:
    """How many claims hold, of those whose test came out."""
    if table == "equivalence":
        return f"{_count(len(sure))} shown to lie within {margin:g} nats of 0"
    agreed = match_direction(sure["estimate"], sure["direction"])
    held, against = sure[agreed], int((~agreed).sum())
    below, directed = int((held["estimate"] < 0).sum()), bool((sure["direction"] != "").any())
    text = f"{_count(len(held))} shown to differ from 0{' as declared' if directed else ''}"
    text += f" ({len(held) - below} above it, {below} below)" if len(held) else ""
    return text + (f", and {against} went against the declared direction" if against else "")


def _count(n: int) -> str:
    return f"{n or 'None'} {'is' if n == 1 else 'are'}"
