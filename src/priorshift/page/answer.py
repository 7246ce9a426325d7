"""The first screen: the question, the answer in a few sentences, how sure it is, and the figure that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from priorshift.page.charts import draw_probabilities
from priorshift.page.claims import HOLDS, NOT_TESTED, OTHER_WAY, ClaimRow
from priorshift.page.parts import Chart, Findings
from priorshift.report.coverage_text import warn_of_coverage
from priorshift.report.lead_text import average_claims
from priorshift.report.names import name_architecture, name_condition, name_panels, name_probes, name_ring
from priorshift.report.registration_text import warn_of_registration
from priorshift.stats.panels import PROBE
from priorshift.study.dispositions import match_outcomes
from priorshift.study.params import HELD_OUT
from priorshift.study.run import Run

QUESTION = "Does teaching a language model to act change what it expects?"
WHERE = {
    "coupled": "In the coupled world, where acting is evidence about expecting,",
    "decoupled": "In the decoupled world, where acting says nothing about expecting,",
}
LEFT = 5.0  # points of probability: a mean that moved by less was left where it was
SHOWN = 6  # panels of the first figure


class Fact(NamedTuple):
    """A number of the first screen: what it is of, the number, and what it must be read with."""

    label: str
    value: str
    note: str


def answer_question(findings: Findings) -> list[str]:
    """Answer for each world or model in a few sentences: probabilities of the claimed outcomes, before and after.

    Of several claimed families the headline alone is told: each covers another share of what a model would say.
    Without a claim, the largest mean shift is told, and that it is exploratory.
    """
    means = average_claims(findings.shifts, findings.settings, "condition")
    if means.empty:
        return [_tell_largest(findings)]
    if means["family"].nunique() == 1 or findings.headline not in set(means["family"]):
        return list(_compare(means))
    return list(_compare(means[means["family"] == findings.headline], f" on {name_probes(findings.headline)},"))


def _compare(means: pd.DataFrame, probes: str = "") -> Iterator[str]:
    for (world, model), rows in means.groupby(["world", means["group"].where(means["world"] == "")], dropna=False):
        where = WHERE.get(world, f"In the {world} world,") if world else f"In {model},"
        first, *others = (_tell(*key, part) for key, part in rows.groupby(["trained", "outcome"], sort=False))
        yield " ".join([f"{where}{probes} {first}.", *(f"{text[0].upper()}{text[1:]}." for text in others)])


def _tell(trained: str, outcome: str, rows: pd.DataFrame) -> str:
    """Whether a training took an outcome elsewhere, or left it. One base model or several, one family or several."""
    before, after = (100 * rows[name] for name in ("base_probability", "probability"))
    training = f"{name_condition(trained)} training"
    if (after - before).abs().max() < LEFT:
        return f"{training} left {outcome} at {_span(after)} ({_span(before)} before)"
    return f"{training} took {outcome} from {_span(before)} to {_span(after)}"


def _span(values: pd.Series) -> str:
    low, high = f"{values.min():.0f}", f"{values.max():.0f}"
    return f"{low}\u00a0%" if low == high else f"{low}–{high}\u00a0%"


def _tell_largest(findings: Findings) -> str:
    expected = findings.shifts["family"] != "choice"  # choices were trained: that they moved is no answer
    own = findings.shifts[expected & (findings.shifts["ring"] == HELD_OUT)]
    if own.empty:
        return "No expectation on held-out domains was measured."
    keys = ["group", "world", "condition", "family", "outcome"]
    means = own.groupby([*keys, "base_model"])["shift"].mean().groupby(keys).mean()
    group, world, condition, family, outcome = means.abs().idxmax()
    where = f"{name_architecture(group)}{f', {world} world' if world else ''}"
    return (
        f"The largest mean shift on held-out domains is {means[group, world, condition, family, outcome]:+.2f} nats: "
        f"{outcome} after {name_condition(condition)} training ({name_probes(family)}, {where})."
    )


def judge_study(claims: list[ClaimRow], findings: Findings) -> str:
    """Say how many claims hold, and whether they were registered before the data or only declared."""
    if not findings.settings.claims:
        return "This study declares no claim: all of it is exploratory."
    judged = [row for row in claims if row.verdict != NOT_TESTED]
    if not judged:
        return "No declared claim could be tested at its own unit: all of it is exploratory."
    held, against = (sum(row.verdict == verdict for row in judged) for verdict in (HOLDS, OTHER_WAY))
    table = findings.tables.get("registration")
    kind = "registered" if table is not None and table["status"].iloc[0] == "registered" else "declared"
    of = f"{len(judged)} {kind} claim{'s' * (len(judged) > 1)}"
    text = f"All {of} hold" if held == len(judged) > 1 else f"{held or 'None'} of {of} hold{'s' * (held == 1)}"
    return text + (f", and {against} went the other way." if against else ".")


def list_facts(claims: list[ClaimRow], findings: Findings) -> list[Fact]:
    """List the estimates with their intervals for each kind of claim and world, and how many runs there are."""
    facts = []
    for kind, world in dict.fromkeys((row.kind, row.world) for row in claims):
        rows = [row for row in claims if (row.kind, row.world) == (kind, world)]
        estimates = pd.Series([row.estimate for row in rows])
        low, high = min(row.low for row in rows), max(row.high for row in rows)
        held = sum(row.verdict == HOLDS for row in rows)
        verdict = "exploratory" if rows[0].verdict == NOT_TESTED else f"{held} of {len(rows)} hold"
        span = f"{estimates.min():+.2f} to {estimates.max():+.2f}" if len(rows) > 1 else f"{estimates[0]:+.2f}"
        label = "Shift against control" if kind == "shift" else "Null effect"
        note = f"{rows[0].level:g} % interval{'s' * (len(rows) > 1)} within {low:+.2f} to {high:+.2f}; {verdict}"
        facts.append(Fact(f"{label}{f', {world} world' if world else ''}", f"{span} nats", note))
    return [*facts, _count_runs(findings)]


def _count_runs(findings: Findings) -> Fact:
    conditions = findings.study.params.conditions
    trained = findings.shifts[[not conditions[name].in_context for name in findings.shifts["condition"]]]
    n = {name: trained[name].nunique() for name in Run._fields}
    runs = len(trained[list(n)].drop_duplicates())
    words = (
        f"{n['base_model']} base model{'s' * (n['base_model'] > 1)}",
        f"{n['condition']} condition{'s' * (n['condition'] > 1)}",
        f"{n['seed']} seed{'s' * (n['seed'] > 1)}",
    )
    return Fact("Fine-tunes", str(runs), ", ".join(words))


def list_warnings(findings: Findings) -> list[str]:
    """List, as Markdown, what must be known before anything is read."""
    registration = warn_of_registration(findings.tables["registration"]) if "registration" in findings.tables else ""
    return [text for text in (registration, warn_of_coverage(findings.shifts, findings.settings)) if text]


def chart_answer(findings: Findings) -> tuple[list[Chart], str]:
    """Chart the probability of each claimed outcome in each place, a panel for each, and describe them.

    Without a claim, the outcomes that go with the study's behaviors are drawn. At most `SHOWN` panels.

    Returns
    -------
    The panels, and the text for those who cannot see them.
    """
    shifts = findings.shifts
    places = name_panels(shifts.assign(group=shifts["group"].where(shifts["world"] == "", ""))).rename("place")
    rows, several = shifts.assign(place=places), places.nunique() > 1
    panels, told = [], []
    wanted = _list_panels(findings)
    families = {family for family, _, _ in wanted}
    for place, (family, ring, outcome) in ((p, w) for p in dict.fromkeys(places) for w in wanted):
        own = rows[(rows["place"] == place) & (rows[PROBE] == [family, ring, outcome]).all(axis=1)]
        if own.empty or len(panels) == SHOWN:
            continue
        where = f"{place} world" if place in findings.worlds else place
        title = ", ".join(
            [outcome, *([where] if several else []), *([name_probes(family)] if len(families) > 1 else [])]
        )
        panels.append(Chart(title[0].upper() + title[1:], draw_probabilities(own, findings.colours)))
        means = own.groupby(["condition", "base_model"], sort=False)["probability"].mean().groupby(level=0).mean()
        most = means.idxmax()
        told.append(
            f"{title}: {100 * own['base_probability'].mean():.0f} % before training, at most "
            f"{100 * means[most]:.0f} % after ({name_condition(most)} training)"
        )
    rings = " and ".join(dict.fromkeys(name_ring(ring) for _, ring, _ in wanted))
    return panels, f"Mean probability of each outcome on {rings}. {'. '.join(told)}." if told else ""


def _list_panels(findings: Findings) -> list[tuple[str, str, str]]:
    claimed = [(claim.family, claim.ring, claim.outcome) for claim in findings.settings.claims]
    if not claimed and findings.families[0]:
        outcomes = match_outcomes(findings.study.params, findings.study.materials).values()
        claimed = [(findings.headline, HELD_OUT, outcome) for outcome in outcomes]
    return list(dict.fromkeys(claimed))
