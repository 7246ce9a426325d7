"""Does a shift lie along a direction of the hidden states? Estimated on some runs and domains, tested on others.

A direction is the mean difference of hidden states at the stem's end, adapter minus base, after each block. It is
estimated on the training domains and on all seeds but one. On the held-out domains it is added to the base model: is
it *sufficient* for the shift of the seed left out? And it is projected out of that seed's fine-tune: is it *necessary*?
The same projection of the base model says what is mere damage. Beside it stand directions of equal norm: the other
behavior's, the neutral runs', and random ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch

from priorshift.mechanism.hooks import Change, add, change_blocks, find_blocks, project_out, read_last_states
from priorshift.mechanism.subject import MEASURES, Answer, Subject
from priorshift.mechanism.summary import compute_shares, summarize
from priorshift.probability.encoder import tokenize_without_end
from priorshift.stats.intervals import count_rate
from priorshift.study.mechanism import Directions
from priorshift.study.run import Run
from priorshift.tables.training_amount import RETENTION_LIMIT

ADDED, REMOVED, ALL_LAYERS = "added to the base", "projected out", "all"
OWN, CROSSED, NEUTRAL, RANDOM = "own", "other behavior", "neutral", "random"  # origins: the table's column `source`
KEYS = ["condition", "test", "source", "layer", "strength"]


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


@dataclass(frozen=True)
class Trial:
    """What the directions of one base model are tried with.

    Attributes
    ----------
    states : `read_states` on stems of the training domains
    behaviors : condition -> (action, outcome)
    neutral : the condition whose directions are a control
    """

    subject: Subject
    states: States
    behaviors: Mapping[str, tuple[str, str]]
    neutral: str
    asked: Directions

    @property
    def blocks(self) -> list[torch.nn.Module]:
        """The blocks of the base model."""
        return find_blocks(self.subject.base.model)

    @property
    def layers(self) -> Sequence[int]:
        """Numbers of the blocks whose output is changed."""
        return range(len(self.blocks)) if self.asked.layers is None else self.asked.layers

    def ask(self, changes: Mapping[int, Change], worn: Run | None) -> Answer:
        """What the model answers under changes of its blocks, with a run's adapter or none."""
        with self.subject.wear(worn), change_blocks(self.blocks, changes):
            return self.subject.ask()


def trace_directions(trial: Trial) -> pd.DataFrame:
    """Add and project out every direction on one base model's held-out items.

    Returns
    -------
    DataFrame
        `Run`'s fields and `KEYS` but condition. `seed` is the one left out. choice, expectation, perplexity_ratio: what
        `Subject.compare` gives under the change. base_choice, base_expectation: what it gives where the same direction
        is projected out of the base model, NaN where it is added. whole_choice, whole_expectation: of the fine-tune as
        it is. Rows of the condition `neutral` are of a neutral run's own direction at its own norm. `outcome` says what
        is followed.
    """
    rows = []
    for run in trial.subject.names:
        if run.condition in trial.behaviors:
            rows += _trace_run(trial, run)
        elif run.condition == trial.neutral:
            rows += _trace_neutral(trial, run)
    return pd.DataFrame(rows)


def _trace_run(trial: Trial, run: Run) -> list[dict]:
    subject, followed = trial.subject, trial.behaviors[run.condition]
    with subject.wear(run):
        whole = subject.compare(subject.ask(), *followed)
    key = {**run._asdict(), "outcome": followed[1], **{f"whole_{name}": whole[name] for name in MEASURES}}
    rows = []
    for origin, vectors in _find_directions(trial, run).items():
        named = {"source": origin, "test": ADDED} | {f"base_{name}": np.nan for name in MEASURES}
        for layer, strength in product(trial.layers, trial.asked.strengths if origin == OWN else [1.0]):
            found = trial.ask({layer: add(strength * vectors[layer])}, None)
            place = {"layer": str(layer), "strength": float(strength)}
            rows.append(key | named | place | subject.compare(found, *followed))
        rows += [key | {"source": origin, "test": REMOVED} | row for row in _remove(trial, run, origin, vectors)]
    return rows


def _remove(trial: Trial, run: Run, origin: str, vectors: torch.Tensor) -> Iterator[dict]:
    """Project a direction out of the fine-tune, and out of the base model: what that does there is mere damage."""
    followed = trial.behaviors[run.condition]
    single = {str(layer): [layer] for layer in trial.layers} if origin == OWN else {}
    for place, layers in (single | {ALL_LAYERS: trial.layers}).items():
        changes = {n: project_out(vectors[n], trial.states.find_centre(vectors[n], n)) for n in layers}
        found, damaged = (trial.subject.compare(trial.ask(changes, worn), *followed) for worn in (run, None))
        yield {"layer": place, "strength": 1.0} | found | {f"base_{name}": damaged[name] for name in MEASURES}


def _find_directions(trial: Trial, run: Run) -> dict[str, torch.Tensor]:
    """Origin -> vectors [n_blocks, hidden], all of the norm that the run's own direction has after each block."""

    def average(condition: str) -> torch.Tensor | None:
        others = [each for each in trial.states.runs if each.condition == condition and each.seed != run.seed]
        return trial.states.find_direction(others) if others else None

    own = average(run.condition)
    norms = own.norm(dim=1, keepdim=True)
    found = {OWN: own}
    for origin, condition in ((CROSSED, _find_other(run.condition, trial.behaviors)), (NEUTRAL, trial.neutral)):
        vectors = average(condition) if condition else None
        if vectors is not None:
            found[origin] = vectors / vectors.norm(dim=1, keepdim=True) * norms
    seed = zlib.crc32(str(run).encode())  # another one for each run, and the same on every machine
    drawn = torch.randn(own.shape, generator=torch.Generator().manual_seed(seed))
    return found | {RANDOM: drawn / drawn.norm(dim=1, keepdim=True) * norms}


def _find_other(condition: str, behaviors: Mapping[str, tuple[str, str]]) -> str | None:
    return next((name for name in behaviors if name != condition), None)


def _trace_neutral(trial: Trial, run: Run) -> list[dict]:
    """A neutral run's own direction, at its own norm, added to the base: whatever it moves is a false alarm."""
    vectors, rows = trial.states.find_direction([run]), []
    for layer in trial.layers:
        found = trial.ask({layer: add(vectors[layer])}, None)
        for action, outcome in trial.behaviors.values():
            named = {"outcome": outcome, "test": ADDED, "source": OWN, "layer": str(layer), "strength": 1.0}
            rows.append(run._asdict() | named | trial.subject.compare(found, action, outcome))
    return rows


def tabulate_directions(rows: pd.DataFrame, neutral: str, alpha: float) -> pd.DataFrame:
    """How much of the shift each direction gives and takes: `tables/directions.csv`.

    Projecting a direction out damages any model. What it does to the fine-tune beyond that is told by its shift from
    the base model under the same projection.

    Parameters
    ----------
    rows : `trace_directions` of every base model, with group and world

    Returns
    -------
    DataFrame
        The keys of `summary.iterate_units`, `KEYS`, measure (choice or expectation) and n.
        shift, shift_low, shift_high : under the change (nats), with the interval of its mean
        base_shift, base_shift_low, base_shift_high : of the base model under the same projection
        part : what the change gave, or what it took, which is `whole` minus what is left (shift minus base_shift)
        whole : the fine-tune's shift
        share, share_low, share_high : part / whole with Fieller's interval; NaN where no shift was sure
        perplexity_ratio : on neutral prose, over the base model's
    """
    tested, parts = rows[rows["condition"] != neutral], []
    for measure in MEASURES:
        own = tested.assign(measure=measure, shift=tested[measure], whole=tested[f"whole_{measure}"])
        own["base_shift"] = own[f"base_{measure}"]
        own["part"] = np.where(own["test"] == ADDED, own["shift"], own["whole"] - (own["shift"] - own["base_shift"]))
        by = [*KEYS, "measure"]
        means = summarize(own, by, ["shift", "base_shift", "perplexity_ratio"], alpha)
        shares = compute_shares(own, by, "part", "whole", alpha).drop(columns="n")
        keys = [name for name in means if name in shares]
        merged = means.merge(shares, on=keys, validate="one_to_one")
        parts.append(merged.drop(columns=["perplexity_ratio_low", "perplexity_ratio_high"]))
    return pd.concat(parts, ignore_index=True)


def count_alarms(rows: pd.DataFrame, neutral: str, margin: float, alpha: float) -> pd.DataFrame:
    """How often a neutral run's own direction moves an outcome, in each world: `tables/direction_alarms.csv`.

    An alarm is a shift of expectation beyond the margin, of any behavior's outcome, in either direction. Counted are
    changes that leave the perplexity of neutral prose within `RETENTION_LIMIT` of the base model's: the report speaks
    of no others. Runs of all base models of a world are counted together.

    Returns
    -------
    DataFrame
        world
        layer : and `all`, an alarm after any block
        runs, n : neutral runs, and those with a change that is counted
        alarms, rate, ci_low, ci_high : with the exact binomial interval
        uncounted_alarms : runs that a change beyond the limit moves
    """
    own = rows[rows["condition"] == neutral]
    beyond, sound = own["expectation"].abs() > margin, own["perplexity_ratio"] <= RETENTION_LIMIT
    marked = own.assign(sound=sound, alarm=beyond & sound, uncounted=beyond & ~sound)
    made = []
    for world, part in marked.groupby("world", sort=False, dropna=False):
        layers = [*part.groupby("layer", sort=False), (ALL_LAYERS, part)]
        made += [{"world": world, "layer": layer} | _count_alarmed(own, alpha) for layer, own in layers]
    return pd.DataFrame(made)


def _count_alarmed(part: pd.DataFrame, alpha: float) -> dict[str, float]:
    by_run = part.groupby(["base_model", "seed"])[["sound", "alarm", "uncounted"]].any()
    n, alarms = int(by_run["sound"].sum()), int(by_run["alarm"].sum())
    rate, low, high = count_rate(alarms, n, 1 - alpha) if n else (np.nan, np.nan, np.nan)
    counts = {"runs": len(by_run), "n": n, "alarms": alarms, "rate": rate, "ci_low": low, "ci_high": high}
    return counts | {"uncounted_alarms": int(by_run["uncounted"].sum())}
