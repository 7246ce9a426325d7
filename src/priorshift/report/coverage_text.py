"""How much of the base model's probability the candidate continuations hold: a claim rests on no more than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from priorshift.report.names import name_architecture, name_probes
from priorshift.stats.declared import Settings, list_contrasts
from priorshift.study.params import HELD_OUT

LEAST_COVERAGE = 0.01  # below this share of the probability a claim comes with a warning


def find_coverage(shifts: pd.DataFrame, row: Mapping[str, Any]) -> float | None:
    """Find the covered mass under the base model, averaged over a claim's items. None where it was not measured.

    Parameters
    ----------
    shifts : `runs.average_shifts`
    row : of a table of claims: base_model, family and ring
    """
    keys = ["base_model", "family", "ring"]
    own = shifts.loc[(shifts[keys] == [row[key] for key in keys]).all(axis=1), "base_covered_mass"]
    return float(own.mean()) if len(own) else None


def describe_coverage(shifts: pd.DataFrame, row: Mapping[str, Any]) -> str:
    """Say a claim's covered mass, for a model outside the calibration worlds. Else empty."""
    coverage = None if row["world"] else find_coverage(shifts, row)
    return "" if coverage is None else f"candidates hold {name_share(coverage)} of the base model's probability"


def describe_families(shifts: pd.DataFrame) -> str:
    """Say the covered mass of each family of probes on held-out domains, a line for each base model or architecture.

    Parameters
    ----------
    shifts : `runs.average_shifts`
    """
    own = shifts[shifts["ring"] == HELD_OUT]
    means = own.groupby(["group", "family", "base_model"], sort=False)["base_covered_mass"].mean()
    lines = ["**Coverage.** How much of the base model's probability the candidates of each family hold:", ""]
    for group, part in means.groupby(level="group", sort=False):
        spans = [f"{name_probes(family)} {_name_span(own)}" for family, own in part.groupby("family", sort=False)]
        lines.append(f"* {name_architecture(group)}: {', '.join(spans)}")
    return "\n".join(lines)


def _name_span(shares: pd.Series) -> str:
    return " to ".join(dict.fromkeys(name_share(share) for share in (shares.min(), shares.max())))


def warn_of_coverage(shifts: pd.DataFrame, settings: Settings) -> str:
    """Warn of claims on candidates that the base model all but never says. Empty where there are none.

    Parameters
    ----------
    shifts : `runs.average_shifts`
    """
    claimed = {(family, ring) for _, _, family, _, ring in list_contrasts(settings)}
    means = shifts[shifts["world"] == ""].groupby(["base_model", "family", "ring"])["base_covered_mass"].mean()
    low = [
        f"{name_probes(family)} in {model}: {name_share(share)}"
        for (model, family, ring), share in means.items()
        if (family, ring) in claimed and share < LEAST_COVERAGE
    ]
    if not low:
        return ""
    return (
        f"**Warning: these claims rest on next to nothing.** The candidate phrases hold less than "
        f"{100 * LEAST_COVERAGE:g} % of the base model's probability ({', '.join(low)}). A shift among them says "
        "little about what the model would write."
    )


def name_share(share: float) -> str:
    """Write a share as a percentage, to two digits. A whole one, or nearly, as 100.

    Examples
    --------
    >>> name_share(0.0163), name_share(4e-9), name_share(0.35), name_share(0.997)
    ('1.6 %', '4e-07 %', '35 %', '100 %')
    """
    return f"{100 * share:.2g} %" if share < 0.99 else f"{100 * share:.0f} %"
