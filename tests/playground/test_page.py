"""The playground's page without a browser: what it asks at first, and what an odd word gets."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from priorshift.errors import UserError
from priorshift.playground.ask import BASE, Reply

pn = pytest.importorskip("panel")
page = pytest.importorskip("priorshift.playground.page")

CONDITIONS = ("depression-like", "paranoia-like", "neutral", "prose", "exposure")
RUNS = [f"{name} seed {seed}" for name in CONDITIONS for seed in (0, 1)]


class Fake:
    """It answers every stem with one word, and keeps what it was asked."""

    base_model, runs = "m", RUNS
    study = SimpleNamespace(params=SimpleNamespace(study="fake", models=[SimpleNamespace(name="m")]))

    def __init__(self):
        self.asked = []

    def ask(self, stem, runs, candidates, strength):
        self.asked.append((stem, list(runs), candidates, strength))
        if not stem:
            raise UserError("stem: found nothing; expected some words")
        words = pd.DataFrame({"model": [BASE], "word": ["fine"], "probability": [0.4], "change": [0.0]})
        return Reply(words, pd.DataFrame({"model": [BASE], "jsd": [0.0]}), pd.DataFrame(), 3.0)


@pytest.fixture
def shown():
    playground = Fake()
    return playground, page.make_page("params/fake.yaml", {"m": playground})


def find(column, kind, name):
    [found] = [each for each in column.select(kind) if each.name.startswith(name)]
    return found


def test_it_begins_with_the_first_run_of_at_most_four_conditions(shown):
    playground, column = shown
    runs = find(column, pn.widgets.MultiChoice, "Runs").value
    assert runs == [name for name in RUNS if name.endswith("seed 0")][:4]
    assert playground.asked[-1] == (page.STEM, runs, [], 1.0)


def test_what_is_typed_is_asked_and_candidates_are_parted_at_commas(shown):
    playground, column = shown
    find(column, pn.widgets.TextInput, "Candidates").value_input = "fine, , lost "
    find(column, pn.widgets.TextInput, "Stem").value_input = "Then he"
    assert playground.asked[-1][0] == "Then he" and playground.asked[-1][2] == ["fine", "lost"]


def test_what_cannot_be_asked_gets_its_line(shown):
    _, column = shown
    find(column, pn.widgets.TextInput, "Stem").value_input = ""
    [alert] = column.select(pn.pane.Alert)
    assert "found nothing" in alert.object
