"""How many runs and base checkpoints a study would need, in words."""

from __future__ import annotations

import pandas as pd

from priorshift.report.names import name_contrast, name_span
from priorshift.stats.declared import CLAIM, CONTRAST_KEY, Settings
from priorshift.stats.power import count_runs_needed

AIMS = {
    "shift": "To find a shift of {:g} nats",
    "equivalence": "To show, where there is no shift, that it lies within {:g} nats of 0",
}


def describe_runs_needed(power: pd.DataFrame, settings: Settings, target: float = 0.8) -> str:
    """Say how many runs each claimed shift needs at unit `both`.

    Parameters
    ----------
    power : `power.estimate_power`
    """
    shifts = {
        tuple(getattr(claim, name) for name in CONTRAST_KEY) for claim in settings.claims if claim.claim == "shift"
    }
    if not shifts:
        return "No shift is claimed, and none is to be found by more runs."
    needed = count_runs_needed(power, target)
    needed = needed[[key in shifts for key in needed[list(CONTRAST_KEY)].itertuples(index=False, name=None)]]
    if needed.empty:
        return "How many runs are needed cannot be said: no claimed shift was measured in two runs of both conditions."
    beyond, within = needed[needed["n_runs"] == 0], needed[needed["n_runs"] > 0]
    parts = [
        f"Power {100 * target:g} % for a shift of {needed['effect'].iloc[0]:g} nats at unit both (alpha "
        f"{settings.alpha:g}, uncorrected), on {name_span(needed['n_items'])} items."
    ]
    if len(within):
        most = within.loc[within["n_runs"].idxmax()]
        parts.append(
            f"It takes {name_span(within['n_runs'])} runs of each condition. Most are needed for "
            f"{most['outcome']}: {name_contrast(most)}."
        )
    if len(beyond):
        parts.append(f"In {len(beyond)} of {len(needed)} cases it takes more runs than were looked at.")
    parts.append("The variances come from few runs: take this as a rough answer.")
    if needed["world"].ne("").any():
        parts.append(
            "At unit base more runs make each checkpoint's mean steadier. But its degrees of freedom come from the "
            "number of checkpoints alone."
        )
    return " ".join(parts)


def describe_checkpoints_needed(power: pd.DataFrame, effect: float, target: float = 0.8) -> str:
    """Say how many base checkpoints each kind of claim needs at unit `base`. Empty where none was tested there.

    Parameters
    ----------
    power : `power.estimate_checkpoint_power`
    effect : nats, the study's smallest effect of interest
    """
    if power.empty:
        return ""
    parts = []
    for claim, rows in power.groupby("claim", sort=False):
        enough = rows[rows["power"] >= target].groupby(CLAIM)["n_checkpoints"].min()
        never = rows.groupby(CLAIM).ngroups - len(enough)
        found = f"{name_span(enough)} base checkpoints" if len(enough) else "no number looked at is enough"
        rest = f" (in {never} cases more than {rows['n_checkpoints'].max()})" if never and len(enough) else ""
        parts.append(f"{AIMS[claim].format(effect)}: {found}{rest}.")
    return (
        f"Power {100 * target:g} % at unit base, each checkpoint measured as here. {' '.join(parts)} "
        "Their SD is known from few checkpoints: take this as a rough answer."
    )
