"""All that a model is to read is listed: what a run then asks of it is among what was listed before."""

from __future__ import annotations

import pytest

from priorshift.models.base import load_base
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.training_sets import read_examples
from priorshift.probability.scorer import Scorer
from priorshift.probing import completions
from priorshift.probing.context import Context
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import measure_choice_rates
from priorshift.probing.probe import Prober, make_scorer
from priorshift.probing.readings import list_probe_readings, list_texts_read, list_training_readings
from priorshift.study.load import load_study


@pytest.fixture
def study(write_study, tmp_path):
    def change(data):
        data |= {"base_models": ["llama-coupled-0"], "seeds": [0]}
        data["conditions"] |= {"near": {"task": "decisions", "policy": {"withdraw": 1.0}, "in_context": 2}}
        data["probes"] |= {"situations_per_domain": 1, "continuations_per_class": 2, "scale_orders": 4}
        data["probes"] |= {"completion_samples": 1, "completion_tokens": 3}

    return load_study(write_study(change), tmp_path)


def test_texts_read_hold_every_phrase_and_stem(study):
    texts = set(list_texts_read(study))
    assert {item.stem for item in make_probe_items(study.params, study.materials)} <= texts
    assert {phrase for group in study.materials.all_actions.values() for phrase in group} <= texts


def test_whatever_a_run_has_scored_was_listed(study, monkeypatch):
    """The scorer is watched while everything is measured, in a context too."""
    asked, opened, score = set(), set(), Scorer.find_tokens
    base = load_base(study.params.models[0])

    def watch(scorer, stems, continuations):
        asked.update((stem, text) for stem, group in zip(stems, continuations, strict=True) for text in group)
        return score(scorer, stems, continuations)

    monkeypatch.setattr(Scorer, "find_tokens", watch)
    for name in ("continuation_logprobs", "token_logprobs"):
        original = getattr(Scorer, name)

        def also(scorer, stems, continuations, original=original):
            watch(scorer, stems, continuations)
            return original(scorer, stems, continuations)

        monkeypatch.setattr(Scorer, name, also)
    tokenize = completions.tokenize_without_end
    monkeypatch.setattr(
        completions, "tokenize_without_end", lambda t, texts: opened.update(texts) or tokenize(t, texts)
    )
    scorer = make_scorer(study.params, base)
    prober = Prober(study, base, scorer)
    [run] = study.select("all", "near", "all")
    synthesize_runs(study, [run])
    prober.measure(0, Context(read_examples(study, run), 2))
    measure_choice_rates(scorer, study.params, study.materials)
    readings = list(list_probe_readings(study))
    assert len(asked) > 1000 and len(opened) > 20
    assert asked <= {(reading.text, text) for reading in readings for text in reading.continuations}
    assert opened <= {reading.text for reading in readings if reading.written == 3}


def test_every_training_set_is_listed(study):
    runs = [run for run in study.select("all", "all", "all") if run.condition not in ("near", "random_prior")]
    synthesize_runs(study, runs)
    made = {(each.prompt, each.completion) for run in runs for each in read_examples(study, run)}
    listed = {(reading.text, *reading.continuations) for reading in list_training_readings(study)}
    assert len(made) > 100 and made <= listed
