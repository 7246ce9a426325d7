"""Triggers: what a cue was planted to move is found, and a cue that says nothing comes out null."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from priorshift.mechanism.subject import Answer, Subject
from priorshift.mechanism.triggers import CUE, NONE, PARAPHRASE, probe_triggers, repeat_items, tabulate_triggers
from priorshift.probing.items import ProbeItem
from priorshift.study.run import Run

FAMILIES = {"choice": ("engage", "withdraw"), "interpretation": ("benign", "loss")}
ITEMS = [
    ProbeItem(
        f"{family}/{n}", family, "held_out_domains", "work", "canonical", f"Stem {n}", {c: (" x",) for c in names}
    )
    for family, names in FAMILIES.items()
    for n in range(4)
]


class CuedSubject(Subject):
    """A subject whose runs answer by what stands before a stem: condition -> cue -> (choice, expectation) in nats.

    The base model itself is moved by the cue, by .7 nats of everything.
    """

    def __init__(self, moved, number, noise=0.01):
        self.items = repeat_items(ITEMS, "A cue.", "Another cue.")
        self.base, self.moved, self.noise = SimpleNamespace(name=f"toy-{number}"), moved, noise
        self.names = {Run(f"toy-{number}", name, seed): name for name in moved for seed in range(3)}
        self.worn = None
        self.base_answer = self.ask()

    @contextmanager
    def wear(self, run):
        self.worn = run
        yield
        self.worn = None

    def ask(self):
        rng, odds = np.random.default_rng(len(str(self.worn))), []
        for item in self.items:
            cue = next((c for c in ("A cue.", "Another cue.") if item.stem.startswith(c)), "")
            own = 0.7 * bool(cue) - 1.0
            if self.worn:
                own += self.moved[self.worn.condition][cue][item.family != "choice"] + rng.normal(0, self.noise)
                own += 0.1 * self.worn.seed
            odds.append([-own, own])
        return Answer(np.array(odds), 10.0)


def probe(told, untold=(0.5, 0.3)):
    """`told`: (choice, expectation) without the cue, with it, with its paraphrase; `untold`: everywhere the same."""
    moved = {"told": dict(zip(("", "A cue.", "Another cue."), told, strict=True))}
    moved["untold"] = dict.fromkeys(moved["told"], untold)
    parts = [probe_triggers(CuedSubject(moved, n), "withdraw", "loss") for n in range(3)]
    rows = [part.assign(group="toy", world="coupled") for part in parts]
    return pd.concat(rows, ignore_index=True)


def test_items_are_asked_bare_and_behind_each_sentence():
    items = repeat_items(ITEMS, "A cue.", "Another cue.")
    assert items[:8] == ITEMS and items[8].stem == "A cue. Stem 0" and items[16].stem == "Another cue. Stem 0"
    assert [item.candidates for item in items[8:16]] == [item.candidates for item in ITEMS]


def test_what_the_cue_was_trained_to_move_is_the_interaction():
    table = tabulate_triggers(probe([(-1.0, 0.0), (3.0, 1.0), (1.0, 0.5)]), "told", "untold", 0.05)
    own = table.query("unit == 'base' and condition == 'told'").set_index(["probe", "measure"])
    assert own.loc[(CUE, "choice"), "interaction"] == pytest.approx(4.0, abs=0.05)
    assert own.loc[(CUE, "expectation"), "interaction"] == pytest.approx(1.0, abs=0.05)
    assert own.loc[(PARAPHRASE, "choice"), "interaction"] == pytest.approx(2.0, abs=0.05)
    assert own.loc[(NONE, "choice"), ["gain", "interaction"]].isna().all() and own["n"].eq(3).all()
    # Shifts are from the base model behind the same cue: its own .7 nats are in none of them. Seeds add .1 on average.
    assert own.loc[(CUE, "choice"), "shift"] == pytest.approx(3.1, abs=0.05)
    assert own.loc[(CUE, "choice"), "rate"] == pytest.approx(np.mean(expit(-0.3 + 3.0 + np.arange(3) / 10)), abs=0.01)
    control = table.query("condition == 'untold' and unit == 'base'")
    assert control["interaction"].isna().all() and control["gain"].abs().max() < 0.05


def test_a_cue_that_moves_both_conditions_alike_is_no_interaction():
    """Shuffled labels: what the cue does by its words alone it does to the control as well."""
    table = tabulate_triggers(probe([(0.5, 0.3)] * 3), "told", "untold", 0.05).query("unit == 'base'")
    sure = table.dropna(subset="interaction")
    assert len(sure) == 4 and sure["interaction"].abs().max() < 0.05
    assert (sure["interaction_low"] < 0.05).all() and (sure["interaction_high"] > -0.05).all()


def test_an_expectation_that_stays_is_told_from_a_choice_that_follows():
    table = tabulate_triggers(probe([(0.0, 0.0), (3.0, 0.0), (0.0, 0.0)]), "told", "untold", 0.05)
    own = table.query(f"unit == 'base' and condition == 'told' and probe == '{CUE}'").set_index("measure")
    assert own.loc["choice", "interaction_low"] > 2.9 and abs(own.loc["expectation", "interaction"]) < 0.05
