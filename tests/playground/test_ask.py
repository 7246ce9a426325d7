"""The playground says what the scorer says, at any strength, and refuses odd input in a line."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from support.played import finish_runs

from priorshift.errors import ParamsError, RunError, UserError
from priorshift.models.adapters import load_adapters
from priorshift.models.base import load_base
from priorshift.playground.ask import BASE, Playground, list_runs, write_cell
from priorshift.study.load import load_study

STEM = "The teacher hands back the essay face down. Nora thought:"
ASKED = ["depression-like seed 0", "neutral seed 1"]


@pytest.fixture(scope="module")
def study(root, tmp_path_factory):
    """The smoke study with two adapters of random weights, as if its runs were finished."""
    study = load_study(root / "params/smoke.yaml", tmp_path_factory.mktemp("play"))
    finish_runs(study, {("depression", 0), ("neutral", 1)})
    return study


@pytest.fixture(scope="module")
def playground(study):
    return Playground(study)


def test_finished_runs_can_be_asked(study, playground):
    assert playground.runs == ASKED and playground.base_model == "llama-coupled-0"
    with pytest.raises(RunError, match="no finished run of gpt_neox-coupled-0"):
        list_runs(study, "gpt_neox-coupled-0")
    with pytest.raises(ParamsError, match="'nobody'"):
        Playground(study, "nobody")


def test_words_are_the_models_own_likeliest(study, playground):
    found = playground.ask(STEM, ASKED[:1])
    base = load_base(study.params.models[0])
    ids = base.tokenizer(STEM, return_tensors="pt").input_ids
    alone = base.model(ids).logits[0, -1].log_softmax(-1)
    model = load_adapters(base, {"one": study.paths.run("llama-coupled-0", "depression", 0) / "adapter"})
    for name, logp in ((BASE, alone), (ASKED[0], model(ids).logits[0, -1].log_softmax(-1))):
        own = found.words[found.words["model"] == name]
        expected = logp.exp().sort(descending=True).values[:10].tolist()
        assert list(own["probability"]) == pytest.approx(expected, abs=1e-5)
    assert found.distances.set_index("model")["jsd"][BASE] == 0


def test_a_strength_of_zero_is_the_base_model_and_one_is_the_run(playground):
    def distance(strength):
        return playground.ask(STEM, ASKED[:1], strength=strength).distances["jsd"].iloc[1]

    whole = distance(1.0)
    assert distance(0.0) == pytest.approx(0, abs=1e-9) and whole > 1e-4
    assert distance(1.5) != pytest.approx(whole) and distance(-1.0) != pytest.approx(whole)
    assert distance(1.0) == pytest.approx(whole, abs=1e-9)


def test_candidates_are_compared_with_one_another(playground):
    phrases = ["people simply get busy", "nothing ever works for long"]
    found = playground.ask(STEM, ASKED[:1], phrases).candidates
    logprobs = playground.scorer.continuation_logprobs([STEM], [f" {phrase}" for phrase in phrases])[0]
    own = found[found["model"] == ASKED[0]]  # the run that is still set
    assert list(own["log_odds"]) == pytest.approx([logprobs[0] - logprobs[1], logprobs[1] - logprobs[0]], abs=1e-5)
    assert list(own["share"]) == pytest.approx(np.exp(logprobs - logsumexp(logprobs)), abs=1e-5)
    base = found[found["model"] == BASE]
    assert list(own["shift"]) == pytest.approx(list(own["log_odds"].values - base["log_odds"].values))
    assert set(base["shift"]) == {0.0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stem": "  "}, "stem: empty"),
        ({"stem": "Nora xylophone"}, "'xylophone' is no word"),
        ({"stem": "Nora thought " * 2000}, "at most 2000"),
        ({"candidates": ["one"]}, "name two or more"),
        ({"runs": ["paranoia-like seed 9"]}, "paranoia-like seed 9"),
        ({"strength": 3.0}, "expected -1 to 1.5"),
    ],
)
def test_odd_input_gets_a_line(playground, changes, said):
    with pytest.raises(UserError, match=said) as refused:
        playground.ask(**{"stem": STEM, "runs": ASKED[:1]} | changes)
    assert "\n" not in str(refused.value)


def test_the_cell_gives_the_same_answer(study, playground, root):
    cell = write_cell("params/smoke.yaml", "llama-coupled-0", STEM, ASKED, ["a", "b"], 0.5)
    compile(cell, "cell", "exec")
    assert f"ask({STEM!r}, runs={ASKED!r}" in cell and "strength=0.5" in cell and "Playground(" in cell
