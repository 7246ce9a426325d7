"""Measured items as arrays: items in order, classes in the world's order, and the world's likelihoods beside them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from priorshift.errors import ParamsError
from priorshift.mechanism.expectations import iterate_runs

TINTED = np.array([[0.7, 0.3], [0.2, 0.8]])
WORLD = SimpleNamespace(
    classes=["engage", "withdraw"],
    outcomes=["benign", "loss"],
    class_probabilities=np.array([[0.9, 0.1], [0.1, 0.9]]),
    tinted={"work": TINTED, "home": 1 - TINTED},
    params=SimpleNamespace(follow_ups={"interpretation": 1.0, "choice": 1.0}),
)


def make_items():
    run = {"base_model": "m", "group": "m", "world": "coupled", "condition": "depression", "seed": 0}
    rows = []
    for family, classes in (("interpretation", WORLD.outcomes), ("choice", WORLD.classes), ("next_words", ["sad"])):
        for domain, p in (("work", 0.6), ("home", 0.4)):
            for ring in ("held_out_domains", "training_domains"):
                # Rows lie in the opposite order of the classes.
                for outcome, after in zip(classes[::-1], (p, 1 - p), strict=False):
                    place = {"family": family, "ring": ring, "domain": domain, "item": f"{family}/{domain}"}
                    rows.append(run | place | {"outcome": outcome, "probability": after, "base_probability": 0.5})
    return pd.DataFrame(rows)


def test_arrays_have_the_worlds_order_of_classes_and_each_items_own_likelihood():
    [(run, found)] = iterate_runs(make_items(), {"coupled": WORLD}, "held_out_domains")
    assert run["base_model"] == "m" and set(found) == {"interpretation", "choice"}
    expected = found["interpretation"]
    assert expected.classes == ["benign", "loss"]
    # home comes before work: P(loss) is .4 there, and .6 at work
    np.testing.assert_allclose(expected.after, [[0.6, 0.4], [0.4, 0.6]])
    np.testing.assert_allclose(expected.before, 0.5)
    np.testing.assert_allclose(expected.likelihoods, [1 - TINTED, TINTED])


def test_a_domain_does_not_touch_choices():
    [(_, found)] = iterate_runs(make_items(), {"coupled": WORLD}, "held_out_domains")
    np.testing.assert_allclose(found["choice"].likelihoods, [WORLD.class_probabilities] * 2)


def test_a_model_of_no_known_world_is_refused():
    with pytest.raises(ParamsError, match=r"prior_fit: m comes from no calibration world"):
        list(iterate_runs(make_items(), {}, "held_out_domains"))
