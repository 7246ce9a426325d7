"""Scale scores by hand, reverse keying, balanced orders, and a user's CSV."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from priorshift.tables.questionnaire import compare_self_report, compute_expected_answers, cronbach_alpha, score_scales

KEYS = {"base_model": "m", "group": "g", "world": "coupled"}
MOST = {"agreement": 3, "frequency": 3}


def table(materials, probability, conditions=("a", "b"), orders=((0, 1, 2, 3), (3, 2, 1, 0))):
    """scales.parquet of a made-up model: `probability(condition, item, label_set, order)` -> shares of the levels."""
    rows = []
    for condition in conditions:
        for seed in (0, 1):
            for name, scale in materials.scales.items():
                for item in scale.items:
                    for label_set in MOST:
                        for order in orders:
                            shares = probability((condition, seed), item, label_set, order)
                            for level, share in enumerate(shares):
                                rows.append({
                                    **KEYS, "condition": condition, "seed": seed, "scale": name,
                                    "outcome": scale.outcome, "item": item.text, "key": item.key,
                                    "label_set": label_set, "order": "".join(map(str, order)), "level": level,
                                    "logprob": np.log(share), "base_logprob": np.log(0.2),
                                })  # fmt: skip
    return pd.DataFrame(rows)


def almost(level, mass=0.8):
    shares = np.full(4, 1e-9)
    shares[level] = mass
    return shares


def test_always_agree_scores_the_midpoint_and_shows_as_acquiescence(materials):
    scores = score_scales(table(materials, lambda *_: almost(3)))
    # A third of the items is reverse-keyed: a plain mean over items would be .67.
    assert np.allclose(scores["score"], 0.5, atol=1e-6)
    assert np.allclose(scores["acquiescence"], 0.5, atol=1e-6)
    never = score_scales(table(materials, lambda *_: almost(0)))
    assert np.allclose(never["score"], 0.5, atol=1e-6) and np.allclose(never["acquiescence"], -0.5, atol=1e-6)


def test_the_trait_scores_one_without_acquiescence(materials):
    scores = score_scales(table(materials, lambda _, item, *__: almost(3 if item.key > 0 else 0)))
    assert np.allclose(scores["score"], 1, atol=1e-6) and np.allclose(scores["acquiescence"], 0, atol=1e-6)
    assert np.allclose(scores["shift"], 0.5, atol=1e-6), "the base is even over the options"


def test_expected_answer_and_mass_by_hand(materials):
    rows = compute_expected_answers(table(materials, lambda *_: [0.1, 0.1, 0.1, 0.5]))
    assert np.allclose(rows["option_mass"], 0.8) and np.allclose(rows["base_option_mass"], 0.8)
    assert np.allclose(rows["expected"], (1 / 3 * 0.1 + 2 / 3 * 0.1 + 0.5) / 0.8)
    assert np.allclose(rows.loc[rows["key"] < 0, "keyed"], 1 - rows.loc[rows["key"] < 0, "expected"])


def test_first_option_taker_is_order_sensitive_and_nothing_else(materials):
    scores = score_scales(table(materials, lambda _, __, ___, order: almost(order[0])))
    # Answers 0 and 1 in turn: SD of two values 1 apart is 1 / sqrt(2).
    assert np.allclose(scores["order_sensitivity"], np.sqrt(0.5), atol=1e-6)
    assert np.allclose(scores["label_set_sensitivity"], 0, atol=1e-6)


def test_label_set_sensitivity_by_hand(materials):
    def half(_, item, label_set, __):
        return almost((3 if item.key > 0 else 0) if label_set == "agreement" else 3)

    scores = score_scales(table(materials, half))
    # 1 with one label set, the midpoint with the other.
    assert np.allclose(scores["label_set_sensitivity"], 0.5, atol=1e-6)
    assert np.allclose(scores["order_sensitivity"], 0, atol=1e-6)


def test_one_label_set_leaves_its_sensitivity_open(materials):
    both = table(materials, lambda *_: almost(3))
    assert score_scales(both[both["label_set"] == "agreement"])["label_set_sensitivity"].isna().all()


def test_alpha_by_hand():
    # Items that are one another's copies: alpha 1. Items without common variance: 0.
    case = np.array([0.0, 1.0, 2.0, 3.0])
    assert cronbach_alpha(np.stack([case, case, case], axis=1)) == pytest.approx(1)
    unrelated = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    assert cronbach_alpha(unrelated) == pytest.approx(0)
    # (2 / 1) * (1 - (2/3 + 2/3) / 2) for variances 2/3, 2/3 and covariance 1/3.
    mixed = np.array([[0, 0], [1, 1], [2, 1], [1, 2]], dtype=float)
    variances, total = mixed.var(axis=0, ddof=1).sum(), mixed.sum(axis=1).var(ddof=1)
    assert cronbach_alpha(mixed) == pytest.approx(2 * (1 - variances / total))
    assert np.isnan(cronbach_alpha(np.ones((3, 2)))) and np.isnan(cronbach_alpha(np.ones((1, 2))))


def test_alpha_is_over_runs(materials):
    level = {("a", 0): 0, ("a", 1): 1, ("b", 0): 2, ("b", 1): 3}
    scores = score_scales(
        table(materials, lambda run, item, *_: almost(level[run] if item.key > 0 else 3 - level[run]))
    )
    assert np.allclose(scores["alpha"], 1, atol=1e-6) and (scores["n_runs"] == 4).all()


def test_self_report_sets_the_three_shifts_of_one_outcome_side_by_side(materials):
    scores = score_scales(table(materials, lambda _, item, *__: almost(3 if item.key > 0 else 0), conditions=("a",)))
    shifts = pd.DataFrame([
        {**KEYS, "condition": "a", "seed": s, "family": f, "ring": r, "outcome": o, "shift": v}
        for s in (0, 1) for r, scale in (("near", 1.0), ("far", 9.0))
        for f, o, v in (("choice", "withdraw", 2.0 * scale), ("choice", "guard", -1.0), ("interpretation", "loss", 0.7))
    ])  # fmt: skip
    made = compare_self_report(scores, shifts, {"loss": "withdraw", "threat": "guard", "benign": "engage"}, "near")
    loss = made[made["outcome"] == "loss"]
    assert loss[["scale_shift", "choice_shift", "interpretation_shift"]].to_numpy() == pytest.approx(
        np.array([[0.5, 2.0, 0.7]] * 2), abs=1e-6
    )
    threat = made[made["outcome"] == "threat"]
    assert (threat["choice_shift"] == -1).all() and threat["interpretation_shift"].isna().all()


def test_a_scale_of_one_key_has_no_acquiescence_and_scores_its_forward_items():
    rows = [
        {**dict.fromkeys(["base_model", "group", "world", "condition"], "m"), "seed": seed, "scale": "mine",
         "outcome": "loss", "item": item, "key": 1, "label_set": 0, "order": order, "level": level,
         "logprob": np.log(p), "base_logprob": np.log(0.5)}
        for seed in (0, 1) for item in ("a", "b") for order in (0, 1) for level, p in ((0, 0.2), (1, 0.8))
    ]  # fmt: skip
    table = score_scales(pd.DataFrame(rows))
    assert table["score"].tolist() == pytest.approx([0.8, 0.8]) and table["acquiescence"].isna().all()
    both = score_scales(pd.DataFrame([{**row, "key": -1 if row["item"] == "b" else 1} for row in rows]))
    assert both["score"].tolist() == pytest.approx([0.5, 0.5]) and both["acquiescence"].tolist() == pytest.approx(
        [0.3, 0.3]
    )
