"""Ask a base model and a study's adapters what comes next. The page and a notebook ask in the same way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from peft.tuners.lora import LoraLayer
from scipy.special import softmax

from priorshift.errors import ParamsError, RunError, UserError
from priorshift.models.adapters import load_adapters
from priorshift.models.base import load_base
from priorshift.models.vocabulary import write_token
from priorshift.pipeline.records import is_trained, locate_run_record, read_finished
from priorshift.probability.divergence import jsd
from priorshift.probing.measure import compute_log_odds
from priorshift.probing.probe import make_scorer
from priorshift.report.names import name_condition
from priorshift.study.load import Study, load_study
from priorshift.study.run import Run

BASE = "base model"
WEAKEST, STRONGEST = -1.0, 1.5  # times an adapter's own strength
MOST_RUNS = 8  # asked at once
LONGEST = 2000  # characters of a stem


class Reply(NamedTuple):
    """What was said.

    Attributes
    ----------
    words : model, word, probability, change (of probability, from the base model's); the likeliest of each model
    distances : model, jsd (bits, from the base model's distribution)
    candidates : model, candidate, share (among the candidates), log_odds, shift (nats, from the base model's)
    milliseconds : that it took
    """

    words: pd.DataFrame
    distances: pd.DataFrame
    candidates: pd.DataFrame
    milliseconds: float


def list_runs(study: Study, base_model: str) -> list[Run]:
    """List a base model's runs whose adapters lie there whole, whatever code they were trained by.

    Raises
    ------
    RunError
        There is none.
    """
    runs = study.select(base_model, "all", "all")
    found = [run for run in runs if is_trained(study, run) and read_finished(locate_run_record(study, run))]
    if not found:
        raise RunError(
            f"{study.paths.root}: no finished run of {base_model}; run the study first: make study STUDY=..."
        )
    return found


class Playground:
    """A base model with a study's adapters, of which one at a time is set, at any strength.

    Parameters
    ----------
    study : path of the study's YAML file, or the study itself
    base_model : its name; the first one of the study where empty
    """

    def __init__(self, study: Study | Path | str, base_model: str = "") -> None:
        self.study = study if isinstance(study, Study) else load_study(study)
        named = {model.name: model for model in self.study.params.models}
        self.base_model = base_model or next(iter(named))
        if self.base_model not in named:
            raise ParamsError(f"base_model: found {self.base_model!r}; the study has {', '.join(named)}")
        runs = list_runs(self.study, self.base_model)
        base = load_base(named[self.base_model])
        self.tokenizer, self.scorer = base.tokenizer, make_scorer(self.study.params, base)
        self._names = {name_run(run): f"run-{k}" for k, run in enumerate(runs)}
        folders = {f"run-{k}": locate_run_record(self.study, run).parent / "adapter" for k, run in enumerate(runs)}
        self._model = load_adapters(base, folders)
        self._layers = [module for module in self._model.modules() if isinstance(module, LoraLayer)]
        self._strength = 1.0

    @property
    def runs(self) -> list[str]:
        """The runs that can be asked, as `depression-like seed 0`."""
        return list(self._names)

    def ask(
        self, stem: str, runs: Sequence[str], candidates: Sequence[str] = (), strength: float = 1.0, shown: int = 10
    ) -> Reply:
        """Ask the base model and some runs what follows a stem.

        Parameters
        ----------
        stem : a text; the next word follows it
        runs : of `runs`, at most `MOST_RUNS`
        candidates : words or phrases to compare, two or more; a leading space is added
        strength : of the adapters; 0 is the base model, 1 the run as it was trained
        shown : next words of each model

        Raises
        ------
        UserError
            In one line, where a text, a run or the strength cannot be used.
        """
        start, stem = time.perf_counter(), stem.rstrip()  # the space belongs to the next word
        phrases = self._check(stem, runs, candidates, strength)
        self._set_strength(strength)
        following, chosen = {}, {}
        for name in [BASE, *dict.fromkeys(runs)]:
            with self._set_run(name):
                following[name] = self.scorer.next_token_logprobs([stem])[0]
                chosen[name] = self.scorer.continuation_logprobs([stem], phrases)[0] if phrases else np.array([])
        return Reply(
            self._tabulate_words(following, shown),
            pd.DataFrame([(name, float(jsd(logp, following[BASE]))) for name, logp in following.items()],
                         columns=["model", "jsd"]),
            _tabulate_candidates(chosen, [phrase.strip() for phrase in phrases]),
            1000 * (time.perf_counter() - start),
        )  # fmt: skip

    def _check(self, stem: str, runs: Sequence[str], candidates: Sequence[str], strength: float) -> list[str]:
        """The candidates with their leading spaces."""
        if not stem:
            raise UserError("stem: empty; type the beginning of a sentence")
        if len(stem) > LONGEST:
            raise UserError(f"stem: found {len(stem)} characters; type at most {LONGEST}")
        if unknown := [run for run in runs if run not in self._names]:
            raise UserError(f"runs: found {unknown[0]!r}; this base model has {', '.join(self._names)}")
        if len(set(runs)) > MOST_RUNS:
            raise UserError(f"runs: found {len(set(runs))}; choose at most {MOST_RUNS} at once")
        if not WEAKEST <= strength <= STRONGEST:
            raise UserError(f"strength: found {strength:g}; expected {WEAKEST:g} to {STRONGEST:g}")
        phrases = list(dict.fromkeys(f" {text.strip()}" for text in candidates if text.strip()))
        if len(phrases) == 1:
            raise UserError(f"candidates: found only {phrases[0].strip()!r}; name two or more to compare, or none")
        for text in (stem, *phrases):
            self._refuse_unknown(text)
        return phrases

    def _refuse_unknown(self, text: str) -> None:
        """A word that the tokenizer has no token for would be read as any other such word."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None or unknown not in self.tokenizer(text)["input_ids"]:
            return
        word = next((word for word in text.split() if unknown in self.tokenizer(f" {word}")["input_ids"]), text)
        raise UserError(f"{word!r} is no word that {self.base_model} knows; its texts use few words")

    def _set_strength(self, strength: float) -> None:
        if strength != self._strength:
            for layer in self._layers:
                for name in layer.scaling:
                    layer.set_scale(name, strength)
            self._strength = strength

    def _set_run(self, name: str):  # noqa: ANN202 (a context)
        if name == BASE:
            return self._model.disable_adapter()
        self._model.set_adapter(self._names[name])
        return nullcontext()

    def _tabulate_words(self, following: dict[str, np.ndarray], shown: int) -> pd.DataFrame:
        base = np.exp(following[BASE])
        rows = []
        for name, logp in following.items():
            probabilities = np.exp(logp)
            for token in np.argsort(-probabilities, kind="stable")[:shown]:
                word = write_token(self.tokenizer, int(token))
                rows.append((name, word, float(probabilities[token]), float(probabilities[token] - base[token])))
        return pd.DataFrame(rows, columns=["model", "word", "probability", "change"])


def name_run(run: Run) -> str:
    """Write a run's name as the playground lists it.

    Examples
    --------
    >>> name_run(Run("llama-coupled-0", "depression", 0))
    'depression-like seed 0'
    """
    return f"{name_condition(run.condition)} seed {run.seed}"


def _tabulate_candidates(chosen: dict[str, np.ndarray], phrases: list[str]) -> pd.DataFrame:
    rows = []
    for name, logprobs in chosen.items() if phrases else ():
        odds, shares, base = compute_log_odds(logprobs), softmax(logprobs), compute_log_odds(chosen[BASE])
        rows += list(zip([name] * len(phrases), phrases, shares, odds, odds - base, strict=True))
    return pd.DataFrame(rows, columns=["model", "candidate", "share", "log_odds", "shift"])


def write_cell(
    study: str, base_model: str, stem: str, runs: Sequence[str], candidates: Sequence[str], strength: float
) -> str:
    """Write the notebook cell that gives the same answer."""
    return "\n".join(
        [
            "from priorshift.playground.ask import Playground",
            "",
            f"playground = Playground({study!r}, {base_model!r})",
            f"answer = playground.ask({stem!r}, runs={list(runs)!r},",
            f"                        candidates={list(candidates)!r}, strength={strength:g})",
            "answer.words, answer.distances, answer.candidates",
        ]
    )
