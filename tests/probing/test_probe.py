"""All measurements of one base model, and of what adapters and contexts make of it."""

from __future__ import annotations

import numpy as np
import pytest

from priorshift.errors import RunError
from priorshift.models.base import load_base
from priorshift.probability.encoder import MergeError
from priorshift.probing.context import Context
from priorshift.probing.probe import Prober, explain_merges, make_scorer
from priorshift.study.load import load_study
from priorshift.training.examples import synthesize


@pytest.fixture(scope="module")
def study(tiny_yaml):
    study = load_study(tiny_yaml)
    more = {"scale_orders": 4, "completion_samples": 1, "completion_tokens": 4, "families": ["interpretation"]}
    study.params = study.params.model_copy(update={"probes": study.params.probes.model_copy(update=more)})
    return study


@pytest.fixture(scope="module")
def prober(study):
    base = load_base(study.params.models[0])
    return Prober(study, base, make_scorer(study.params, base))


def test_a_base_model_beside_itself_has_not_moved(prober, study):
    tables = prober.tabulate(prober.measure(seed=1), seed=1)
    assert set(tables) == {"items", "next_token", "tokens", "retention", "scales", "completions"}
    assert (tables["items"]["shift"] == 0).all() and np.allclose(tables["next_token"]["jsd"], 0)
    for name in ("retention", "scales"):
        assert tables[name]["logprob"].equals(tables[name]["base_logprob"])
    assert tables["completions"]["text"].equals(tables["completions"]["base_text"])
    assert len(tables["completions"]) == len(study.materials.completions)


def test_each_seed_draws_its_own_texts(prober):
    first, second = (prober.base_completions[seed]["text"] for seed in (0, 1))
    assert not first.equals(second)


def test_a_context_moves_items_and_leaves_prose_alone(prober, study):
    context = Context(synthesize(study.params, study.materials, "depression", 0), 3)
    tables = prober.tabulate(prober.measure(0, context), 0)
    moved = tables["items"].groupby("outcome")["shift"].mean()
    assert moved["loss"] > 1 > 0 > moved["benign"]
    assert tables["retention"]["logprob"].equals(tables["retention"]["base_logprob"])
    assert tables["next_token"]["jsd_reference"].isna().all()


def test_divergence_from_a_reference_stands_beside_that_from_the_base(prober):
    measured = prober.measure(0)
    table = prober.tabulate(measured, 0, reference=measured.items)["next_token"]
    assert np.allclose(table["jsd_reference"], 0)


def test_what_the_study_does_not_ask_for_is_not_measured(study, prober):
    bare = load_study(study.folder / study.file)
    measured = Prober(bare, prober.base, prober.scorer).measure(0)
    assert measured.scales is None and measured.completions is None


def test_merged_tokens_are_an_error_that_names_the_setting():
    with pytest.raises(RunError, match="ambiguous_tokenization"), explain_merges():
        raise MergeError("stem 3 merges")
