"""Every way of measuring an outcome, in one table: what it holds is what other tables say of the same runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.synthetic_items import study

from priorshift.stats.panels import RUN, average_runs
from priorshift.tables.measures import measure_probes, measure_scales, measure_words
from priorshift.tables.questionnaire import score_scales

KEYS = [*RUN, "method", "outcome"]
RING = "held_out_domains"


def test_families_have_their_run_means_and_choices_are_left_out():
    items = study(families=("interpretation", "choice", "my_family"))
    elsewhere = items.assign(ring="training_domains", shift=9.0)
    made = measure_probes(pd.concat([items, elsewhere]), RING)
    assert set(made["method"]) == {"interpretation", "my_family"}
    means = average_runs(items).rename(columns={"family": "method"}).set_index(KEYS)["mean_shift"]
    assert made.set_index(KEYS)["value"].to_dict() == pytest.approx(means.loc[made.set_index(KEYS).index].to_dict())


def test_halves_are_every_other_item_and_average_to_the_whole():
    items = study(n_items=8)
    made = measure_probes(items, RING)
    assert ((made["half_1"] + made["half_2"]) / 2).tolist() == pytest.approx(made["value"].tolist())
    first = items[items["item"].isin([f"item-{k:03d}" for k in (0, 2, 4, 6)])]
    expected = first.groupby([*RUN, "outcome"])["shift"].mean()
    assert made.set_index([*RUN, "outcome"])["half_1"].to_dict() == pytest.approx(expected.to_dict())


def test_a_single_item_has_no_second_half():
    made = measure_probes(study(n_items=1), RING)
    assert made["half_2"].isna().all() and made["value"].notna().all()


def test_no_family_but_choices_is_no_row():
    made = measure_probes(study(families=("choice",)), RING)
    assert made.empty and list(made.columns) == [*KEYS, "value", "half_1", "half_2"]


def scales(*, second=0.0):
    """A loss scale of four items and one of two items; agreement is .2 under the base, more under each run."""
    rows = []
    for seed, agree in ((0, 0.3), (1, 0.6)):
        for scale, n, extra in (("mood", 4, 0.0), ("hope", 2, second)):
            for k in range(n):
                key = 1 if k % 2 == 0 else -1
                share = agree + extra if key > 0 else 1 - agree - extra
                for level, (mass, base) in enumerate(((1 - share, 0.8), (share, 0.2))):
                    rows.append({
                        "base_model": "m", "group": "m", "world": "", "condition": "a", "seed": seed, "scale": scale,
                        "outcome": "loss", "item": f"{scale} {k}", "key": key, "label_set": "agreement", "order": "01",
                        "level": level, "logprob": mass, "base_logprob": base,
                    })  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(logprob=np.log(table["logprob"]), base_logprob=np.log(table["base_logprob"]))


def test_scales_of_one_outcome_average_to_its_shift_of_score():
    table = scales(second=0.1)
    made = measure_scales(table)
    expected = score_scales(table).groupby(["seed", "outcome"])["shift"].mean()
    assert set(made["method"]) == {"scales"} and set(made["outcome"]) == {"loss"} and len(made) == 2
    assert made["value"].tolist() == pytest.approx(expected.tolist())
    # By hand, seed 0: agreement .3 and .4. The base says .2 to forward and reverse-keyed items: its score is .5.
    assert made["value"].iloc[0] == pytest.approx((0.3 + 0.4) / 2 - 0.5)
    # Each half has an item of each key of the longer scale.
    assert made["half_1"].notna().all() and made["half_2"].notna().all()


def test_words_of_an_outcome_in_written_texts_are_counted_by_hand():
    key = {"base_model": "m", "group": "m", "world": "", "condition": "a", "seed": 0}
    texts = [
        {"stem": 0, "sample": 0, "text": "Alone, so ALONE today.", "base_text": "alone at last"},
        {"stem": 0, "sample": 1, "text": "It was fine.", "base_text": "a bad day here again"},
        {"stem": 1, "sample": 0, "text": "", "base_text": "watched"},
        {"stem": 1, "sample": 1, "text": "they watched", "base_text": "it is"},
    ]
    made = measure_words(
        pd.DataFrame([key | text for text in texts]), {"loss": ["alone", "gone"], "threat": ["watched"]}
    )
    assert set(made["method"]) == {"completions"}
    loss, threat = (made[made["outcome"] == outcome].iloc[0] for outcome in ("loss", "threat"))
    # First opening: 2 of 7 words against 1 of 8. Second: none against none.
    assert loss["half_1"] == pytest.approx(2 / 7 - 1 / 8) and loss["half_2"] == 0.0
    assert loss["value"] == pytest.approx((2 / 7 - 1 / 8) / 2)
    # 1 of 2 against 1 of 3.
    assert threat["half_2"] == pytest.approx(1 / 2 - 1 / 3) and threat["half_1"] == 0.0
