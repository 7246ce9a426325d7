"""The benchmark itself, at tiny size: honest counts, the same tokens for all, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec

import pandas as pd
import PIL.Image
import pytest

from bench import scoring
from bench.__main__ import find_largest_difference, main, make_point, parse_arguments
from bench.material import Items, count_unique_tokens, load_model, make_items, make_word_tokenizer
from bench.results import describe_summary, summarize
from bench.systems import PEERS, SYSTEMS
from bench.worker import Setting
from priorshift.errors import RunError, UserError
from priorshift.probability.scorer import Scorer

TINY = ["--models", "random-tiny", "--stem-tokens", "20", "--continuations", "5", "--items", "3", "--threads", "1"]
SETTING = Setting("random-tiny", "cpu", "float32", "sdpa", 1)
CELL = scoring.Point(3, 20, 5)
INSTALLED = [name for name in SYSTEMS if name not in PEERS or find_spec(PEERS[name])]


@pytest.fixture(scope="module")
def tokenizer():
    return make_word_tokenizer(500)


def test_a_word_is_a_token_with_its_space_after_one_bos(tokenizer):
    assert tokenizer(" w0 w495")["input_ids"] == [2, 4, 499]


def test_items_have_the_size_asked_for(tokenizer):
    items = make_items(tokenizer, 3, 20, 5, seed=1)
    assert [len(tokenizer(stem)["input_ids"]) for stem in items.stems] == [21, 21, 21]
    for texts in items.continuations:
        assert len(set(texts)) == 5
        assert {len(tokenizer(text)["input_ids"]) - 1 for text in texts} <= {1, 2, 3, 4}
    assert items == make_items(tokenizer, 3, 20, 5, seed=1) != make_items(tokenizer, 3, 20, 5, seed=2)


def test_unique_tokens_by_hand(tokenizer):
    # BOS and two words, then " w3" alone: no continuation's last token need be read.
    items = Items([" w1 w2"], [[" w3 w4", " w3 w5", " w6"]])
    assert count_unique_tokens(tokenizer, items) == 4


def test_the_default_grid_is_the_issues(tokenizer):
    options = parse_arguments([])
    assert (options.stem_tokens, options.continuations) == ([20, 60, 200], [2, 8, 24])
    assert sum(p.numel() for p in load_model(replace(SETTING, model="random-35M"))[0].parameters()) // 10**6 == 35
    assert {make_point(t, c, None).items for t, c in ((200, 24), (60, 24), (20, 2))} == {4, 8, 16}


def test_scores_of_other_tokens_are_refused():
    assert find_largest_difference("other", CELL, [[-1.0, -2.0]], [[-1.0, -2.00005]]) == pytest.approx(5e-5)
    for wrong in (-2.1, float("nan")):
        with pytest.raises(RunError, match="other differs from naive"):
            find_largest_difference("other", CELL, [[-1.0, wrong]], [[-1.0, -2.0]])


def test_a_missing_peer_and_a_missing_reference_are_refused(monkeypatch):
    with pytest.raises(UserError, match="expected naive among them"):
        main(parse_arguments([*TINY, "--systems", "priorshift"]))
    monkeypatch.setattr("bench.__main__.find_spec", lambda name: None)
    with pytest.raises(UserError, match="minicons not installed; `make bench`"):
        main(parse_arguments([*TINY, "--systems", "naive", "minicons"]))


def test_summary_by_hand():
    cell = {"model": "m", "device": "cpu", "stem_tokens": 60, "continuations": 24, "items": 2, "batch_size": 0}
    cell |= {"peak_mb": 1.0, "scoring_mb": 1.0, "largest_difference": 0.0, "unique_tokens": 10, "load_s": 1.0}
    speeds = {"naive": [1.0, 3.0, 2.0], "minicons": [4.0, 4.0, 9.0], "priorshift": [80.0, 100.0, 120.0]}
    runs = pd.DataFrame(
        {**cell, "system": name, "items_per_s": speed, "computed_tokens": 11 if name == "priorshift" else 100}
        for name, values in speeds.items()
        for speed in values
    )
    table = summarize(runs).set_index("system")
    assert table["items_per_s"].to_dict() == {"naive": 2, "minicons": 4, "priorshift": 100}
    assert table.loc["priorshift", ["times_best_peer", "best_peer", "token_ratio"]].tolist() == [25, "minicons", 1.1]
    assert table.loc["naive", "times_best_peer"] == 0.02
    assert "25.0 times the best peer (minicons)" in describe_summary(table.reset_index())


def test_a_tiny_run_writes_what_it_measured(tmp_path, capsys):
    main(parse_arguments([*TINY, "--repeats", "2", "--out", str(tmp_path), "--systems", *INSTALLED]))
    runs, summary = pd.read_csv(tmp_path / "runs.csv"), pd.read_csv(tmp_path / "summary.csv")
    assert sorted(runs["system"]) == sorted(INSTALLED * 2) and list(summary["system"].sort_values()) == sorted(
        INSTALLED
    )
    tokens = runs.groupby("system")["computed_tokens"].sum()
    # Three stems of 21 tokens with five continuations of 1 to 4 words each, twice.
    assert 2 * 3 * 5 * 22 <= tokens["naive"] <= 2 * 3 * 5 * 25
    assert runs["unique_tokens"].sum() / len(INSTALLED) <= tokens["priorshift"] < tokens["naive"] / 2
    assert (runs["largest_difference"] <= 1e-4).all()
    if scoring.CLEAR.exists():
        assert (runs["peak_mb"] > 50).all() and (runs["scoring_mb"] >= 0).all()
    assert json.loads((tmp_path / "environment.json").read_text())["options"]["threads"] == 1
    assert PIL.Image.open(tmp_path / "bench.png").width > 300 and "times the best peer" in capsys.readouterr().out


@pytest.mark.parametrize("stems", [4, 8, 40])
def test_computed_tokens_stay_within_five_percent_of_the_unique_ones(stems):
    model, tokenizer = load_model(SETTING)
    items = make_items(tokenizer, stems, 60, 24, seed=stems)
    scorer = Scorer(model, tokenizer)
    before = scorer.counts["computed_tokens"]
    scorer.continuation_logprobs(items.stems, items.continuations)
    assert scorer.counts["computed_tokens"] - before <= 1.05 * count_unique_tokens(tokenizer, items)
