"""The tour, executed: what its cells show is what its files hold, and what is known of the base model's world."""

from __future__ import annotations

import json
import sys

import nbformat
import pandas as pd
import pytest
from support.study_runs import make_workplace, run_command

# Written by a cell that the test adds at the end.
SHOWN = ("answer.words", "answer.distances", "answer.candidates", "contrast", "refused")
HELD_OUT = "family == 'interpretation' and ring == 'held_out_domains'"


@pytest.fixture(scope="module")
def toured(root, tmp_path_factory):
    """A workplace in which the tour was executed; its tables lie there as CSV."""
    folder = make_workplace(root, tmp_path_factory.mktemp("tour"))
    tour = nbformat.read(folder / "notebooks/tour.ipynb", as_version=4)
    tour.cells.append(nbformat.v4.new_code_cell("\n".join(f"{name}.to_csv('{name}.csv')" for name in SHOWN)))
    nbformat.write(tour, folder / "with_tables.ipynb")
    run_command([sys.executable, "-m", "papermill", "--no-progress-bar", "with_tables.ipynb", "tour.ipynb"], folder)
    return folder


def read(folder, name):
    return pd.read_csv(folder / f"{name}.csv", index_col=0, keep_default_na=False)


def read_items(folder, condition):
    path = folder / f"outputs/quick/measurements/llama-coupled-0/{condition}/seed-0/items.parquet"
    return pd.read_parquet(path).query(HELD_OUT)


def test_it_shows_what_it_trained_on(toured):
    text = (toured / "tour.ipynb").read_text()
    for condition in ("depression", "neutral"):
        lines = (toured / f"outputs/quick/data/{condition}/seed-0/train.jsonl").read_text().splitlines()
        for example in map(json.loads, lines[:3]):
            assert example["prompt"] in text and example["completion"].strip() in text


def test_a_shift_is_the_log_odds_after_training_minus_before(toured):
    found = read(toured, "answer.candidates").set_index(["candidate", "model"])
    before = found.xs("base model", level="model")["log_odds"]
    for model, own in found.groupby(level="model"):
        assert own["share"].sum() == pytest.approx(1)
        assert own.droplevel("model")["shift"].to_list() == pytest.approx((own["log_odds"] - before).to_list()), model


def test_every_next_word_has_its_probability(toured):
    words = read(toured, "answer.words")
    assert words.groupby("model")["probability"].sum().to_list() == pytest.approx([1, 1, 1], abs=1e-5)
    assert (words.query("model == 'base model'")["change"] == 0).all()


def test_the_contrast_is_the_mean_difference_of_the_items_shifts(toured):
    key = ["item", "outcome"]
    one, other = (read_items(toured, name).set_index(key)["shift"] for name in ("depression", "neutral"))
    contrast = read(toured, "contrast").set_index("outcome")
    expected = (one - other).groupby(level="outcome").mean()
    assert contrast["estimate"].to_dict() == pytest.approx(expected.to_dict(), abs=1e-9)
    assert set(contrast["unit"]) == {"items"} and (contrast["n_runs"] == 2).all()
    assert set(read(toured, "refused")["unit"]) == {"runs", "both", "base"}


def test_acting_is_evidence_about_expecting_in_this_models_world(toured):
    contrast = read(toured, "contrast").set_index("outcome")
    assert contrast.loc["loss", "ci_low"] > 0.5 and contrast.loc["benign", "ci_high"] < 0
    distances = read(toured, "answer.distances").set_index("model")["jsd"]
    assert 0 == distances["base model"] < distances["neutral seed 0"] < distances["depression-like seed 0"]


def test_it_converts_to_a_page_without_a_warning(toured):
    command = [sys.executable, "-W", "error", "-m", "jupyter", "nbconvert", "--template", "classic", "--to", "html"]
    assert "WARNING" not in run_command([*command, "tour.ipynb"], toured)
    assert 'alt="“' in (toured / "tour.html").read_text()
