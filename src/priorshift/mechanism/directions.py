"""Does a shift lie along a direction of the hidden states? Estimated on some runs and domains, tested on others.

A direction is the mean difference of hidden states at the stem's end, adapter minus base, after each block. It is
estimated on the training domains and on all seeds but one. On the held-out domains it is added to the base model: is
it *sufficient* for the shift of the seed left out? And it is projected out of that seed's fine-tune: is it *necessary*?
Beside it stand directions of equal norm: the other behavior's, the neutral runs', and random ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest

from priorshift.mechanism.hooks import Change, add, change_blocks, find_blocks, project_out, read_last_states
from priorshift.mechanism.subject import Answer, Subject
from priorshift.mechanism.summary import compute_shares, summarise
from priorshift.probability.encoder import tokenize_without_end
from priorshift.study.mechanism import Directions
from priorshift.study.run import Run

ADDED, REMOVED, ALL_LAYERS = "added to the base", "projected out", "all"
OWN, CROSSED, NEUTRAL, RANDOM = "own", "other behavior", "neutral", "random"
KEYS = ["condition", "test", "source", "layer", "strength"]
MEASURES = ("choice", "expectation")


@dataclass(frozen=True)
class States:
    """Hidden states at the stems' ends, float32 [n_blocks, n_stems, hidden]: of the base, and of each run."""

    base: torch.Tensor
    runs: dict[Run, torch.Tensor]

    def find_direction(self, runs: Sequence[Run]) -> torch.Tensor:
        """The mean difference of these runs from the base, [n_blocks, hidden]."""
        return torch.stack([self.runs[run] - self.base for run in runs]).mean((0, 2))

    def find_centre(self, vector: torch.Tensor, block: int) -> float:
        """The base's mean component along a vector, [hidden], after a block."""
        return float((self.base[block] @ (vector / vector.norm())).mean())


def read_states(subject: Subject, stems: Sequence[str]) -> States:
    """Read the hidden states of the base and of every run at the ends of stems."""
    blocks = find_blocks(subject.base.model)
    tokens = tokenize_without_end(subject.base.tokenizer, [subject.base.read(stem) for stem in stems])
    found = {}
    for run in (None, *subject.names):
        with subject.wear(run):
            found[run] = read_last_states(subject.base.model, blocks, tokens)
    return States(found.pop(None), found)


def trace_directions(
    subject: Subject, states: States, behaviors: Mapping[str, tuple[str, str]], neutral: str, asked: Directions
) -> pd.DataFrame:
    """Add and project out every direction on one base model's held-out items.

    Parameters
    ----------
    states : `read_states` on stems of the training domains
    behaviors : condition -> (action, outcome)
    neutral : the condition whose directions are a control

    Returns
    -------
    DataFrame
        `Run`'s fields and `KEYS` but condition. `seed` is the one left out. choice, expectation, perplexity_ratio: what
        `Subject.compare` gives under the change. whole_choice, whole_expectation: of the fine-tune as it is. Rows of
        the condition `neutral` are of a neutral run's own direction at its own norm; `outcome` says what is followed.
    """
    blocks, rows = find_blocks(subject.base.model), []
    layers = range(len(blocks)) if asked.layers is None else asked.layers
    for run in subject.names:
        if run.condition in behaviors:
            rows += _trace_run(subject, states, run, behaviors, neutral, asked, layers)
        elif run.condition == neutral:
            rows += _trace_neutral(subject, states, run, behaviors, layers)
    return pd.DataFrame(rows)


def _trace_run(
    subject: Subject,
    states: States,
    run: Run,
    behaviors: Mapping[str, tuple[str, str]],
    neutral: str,
    asked: Directions,
    layers: Sequence[int],
) -> list[dict]:
    action, outcome = behaviors[run.condition]
    with subject.wear(run):
        whole = subject.compare(subject.ask(), action, outcome)
    key = {**run._asdict(), "outcome": outcome, **{f"whole_{name}": whole[name] for name in MEASURES}}
    rows = []
    for change, worn, named in _list_changes(states, run, behaviors, neutral, asked, layers):
        found = _ask_changed(subject, change, worn)
        rows.append(key | named | subject.compare(found, action, outcome))
    return rows


def _ask_changed(subject: Subject, changes: Mapping[int, Change], worn: Run | None) -> Answer:
    with subject.wear(worn), change_blocks(find_blocks(subject.base.model), changes):
        return subject.ask()


def _list_changes(
    states: States,
    run: Run,
    behaviors: Mapping[str, tuple[str, str]],
    neutral: str,
    asked: Directions,
    layers: Sequence[int],
) -> Iterator[tuple[dict[int, Change], Run | None, dict]]:
    """(changes of blocks, the run that is worn, test, source, layer and strength) of everything that is tried."""
    directions = _find_directions(states, run, behaviors, neutral)
    for source, vectors in directions.items():
        strengths = asked.strengths if source == OWN else [1.0]
        for layer in layers:
            for strength in strengths:
                named = {"test": ADDED, "source": source, "layer": str(layer), "strength": float(strength)}
                yield {layer: add(strength * vectors[layer])}, None, named
        single = {str(layer): [layer] for layer in layers} if source == OWN else {}
        for name, own in (single | {ALL_LAYERS: layers}).items():
            named = {"test": REMOVED, "source": source, "layer": name, "strength": 1.0}
            changes = {n: project_out(vectors[n], states.find_centre(vectors[n], n)) for n in own}
            yield changes, run, named


def _find_directions(
    states: States, run: Run, behaviors: Mapping[str, tuple[str, str]], neutral: str
) -> dict[str, torch.Tensor]:
    """Source -> vectors [n_blocks, hidden], all of the norm that the run's own direction has after each block."""

    def average(condition: str) -> torch.Tensor | None:
        others = [each for each in states.runs if each.condition == condition and each.seed != run.seed]
        return states.find_direction(others) if others else None

    own = average(run.condition)
    norms = own.norm(dim=1, keepdim=True)
    found = {OWN: own}
    for source, condition in ((CROSSED, _find_other(run.condition, behaviors)), (NEUTRAL, neutral)):
        vectors = average(condition) if condition else None
        if vectors is not None:
            found[source] = vectors / vectors.norm(dim=1, keepdim=True) * norms
    seed = zlib.crc32(str(run).encode())  # another one for each run, and the same on every machine
    drawn = torch.randn(own.shape, generator=torch.Generator().manual_seed(seed))
    return found | {RANDOM: drawn / drawn.norm(dim=1, keepdim=True) * norms}


def _find_other(condition: str, behaviors: Mapping[str, tuple[str, str]]) -> str | None:
    return next((name for name in behaviors if name != condition), None)


def _trace_neutral(
    subject: Subject, states: States, run: Run, behaviors: Mapping[str, tuple[str, str]], layers: Sequence[int]
) -> list[dict]:
    """A neutral run's own direction, at its own norm, added to the base: whatever it moves is a false alarm."""
    vectors, rows = states.find_direction([run]), []
    for layer in layers:
        found = _ask_changed(subject, {layer: add(vectors[layer])}, None)
        for action, outcome in behaviors.values():
            named = {"outcome": outcome, "test": ADDED, "source": OWN, "layer": str(layer), "strength": 1.0}
            rows.append(run._asdict() | named | subject.compare(found, action, outcome))
    return rows


def tabulate_directions(rows: pd.DataFrame, neutral: str, alpha: float) -> pd.DataFrame:
    """How much of the shift each direction gives and takes: `tables/directions.csv`.

    Parameters
    ----------
    rows : `trace_directions` of every base model, with group and world

    Returns
    -------
    DataFrame
        The keys of `summary.iterate_units`, `KEYS`, measure (choice or expectation) and n.
        shift, shift_low, shift_high : under the change (nats), with the interval of its mean
        part : what the change gave, or took from the fine-tune's shift; whole : that shift
        share, share_low, share_high : part / whole with Fieller's interval; NaN where no shift was sure
        perplexity_ratio : on neutral prose, over the base model's
    """
    tested, parts = rows[rows["condition"] != neutral], []
    for measure in MEASURES:
        own = tested.assign(measure=measure, shift=tested[measure], whole=tested[f"whole_{measure}"])
        own["part"] = np.where(own["test"] == ADDED, own["shift"], own["whole"] - own["shift"])
        by = [*KEYS, "measure"]
        means = summarise(own, by, ["shift", "perplexity_ratio"], alpha)
        shares = compute_shares(own, by, "part", "whole", alpha).drop(columns="n")
        keys = [name for name in means if name in shares]
        merged = means.merge(shares, on=keys, validate="one_to_one")
        parts.append(merged.drop(columns=["perplexity_ratio_low", "perplexity_ratio_high"]))
    return pd.concat(parts, ignore_index=True)


def count_alarms(rows: pd.DataFrame, neutral: str, margin: float, alpha: float) -> pd.DataFrame:
    """How often a neutral run's own direction moves an outcome: `tables/direction_alarms.csv`.

    An alarm is a shift of expectation beyond the margin, of any behavior's outcome, in either direction.

    Returns
    -------
    DataFrame
        layer (and `all`: an alarm after any block), n (neutral runs), alarms, rate, and the exact binomial interval.
    """
    own = rows[rows["condition"] == neutral]
    alarm = own.assign(alarm=own["expectation"].abs() > margin)
    keys = ["base_model", "seed"]
    by_layer = alarm.groupby(["layer", *keys])["alarm"].any().reset_index()
    anywhere = alarm.groupby(keys)["alarm"].any().reset_index().assign(layer=ALL_LAYERS)
    made = []
    for layer, part in pd.concat([by_layer, anywhere]).groupby("layer", sort=False):
        n, count = len(part), int(part["alarm"].sum())
        low, high = binomtest(count, n).proportion_ci(1 - alpha, method="exact")
        made.append({"layer": layer, "n": n, "alarms": count, "rate": count / n, "ci_low": low, "ci_high": high})
    return pd.DataFrame(made)
