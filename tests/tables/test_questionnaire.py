"""Scale scores by hand, reverse keying, balanced orders, and a user's CSV."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from priorshift.errors import MaterialsError, ParamsError
from priorshift.materials.questionnaires import balanced_orders, read_scales
from priorshift.models.base import load_base
from priorshift.probability.scorer import Scorer
from priorshift.probing.questionnaire import scale_table
from priorshift.study.load import load_study
from priorshift.study.sections import BaseModelParams
from priorshift.tables.questionnaire import answers, cronbach_alpha, scale_scores, self_report

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
    scores = scale_scores(table(materials, lambda *_: almost(3)))
    # A third of the items is reverse-keyed: a plain mean over items would be .67.
    assert np.allclose(scores["score"], 0.5, atol=1e-6)
    assert np.allclose(scores["acquiescence"], 0.5, atol=1e-6)
    never = scale_scores(table(materials, lambda *_: almost(0)))
    assert np.allclose(never["score"], 0.5, atol=1e-6) and np.allclose(never["acquiescence"], -0.5, atol=1e-6)


def test_the_trait_scores_one_without_acquiescence(materials):
    scores = scale_scores(table(materials, lambda _, item, *__: almost(3 if item.key > 0 else 0)))
    assert np.allclose(scores["score"], 1, atol=1e-6) and np.allclose(scores["acquiescence"], 0, atol=1e-6)
    assert np.allclose(scores["shift"], 0.5, atol=1e-6), "the base is even over the options"


def test_expected_answer_and_mass_by_hand(materials):
    rows = answers(table(materials, lambda *_: [0.1, 0.1, 0.1, 0.5]))
    assert np.allclose(rows["option_mass"], 0.8) and np.allclose(rows["base_option_mass"], 0.8)
    assert np.allclose(rows["expected"], (1 / 3 * 0.1 + 2 / 3 * 0.1 + 0.5) / 0.8)
    assert np.allclose(rows.loc[rows["key"] < 0, "keyed"], 1 - rows.loc[rows["key"] < 0, "expected"])


def test_first_option_taker_is_order_sensitive_and_nothing_else(materials):
    scores = scale_scores(table(materials, lambda _, __, ___, order: almost(order[0])))
    # Answers 0 and 1 in turn: SD of two values 1 apart is 1 / sqrt(2).
    assert np.allclose(scores["order_sensitivity"], np.sqrt(0.5), atol=1e-6)
    assert np.allclose(scores["label_set_sensitivity"], 0, atol=1e-6)


def test_label_set_sensitivity_by_hand(materials):
    def half(_, item, label_set, __):
        return almost((3 if item.key > 0 else 0) if label_set == "agreement" else 3)

    scores = scale_scores(table(materials, half))
    # 1 with one label set, the midpoint with the other.
    assert np.allclose(scores["label_set_sensitivity"], 0.5, atol=1e-6)
    assert np.allclose(scores["order_sensitivity"], 0, atol=1e-6)


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
    scores = scale_scores(
        table(materials, lambda run, item, *_: almost(level[run] if item.key > 0 else 3 - level[run]))
    )
    assert np.allclose(scores["alpha"], 1, atol=1e-6) and (scores["n_runs"] == 4).all()


@pytest.mark.parametrize("n_orders", [4, 8, 24])
def test_each_label_stands_equally_often_in_each_place(n_orders):
    orders = balanced_orders(4, n_orders)
    assert len(set(orders)) == n_orders
    places = Counter((place, label) for order in orders for place, label in enumerate(order))
    assert set(places.values()) == {n_orders // 4} and len(places) == 16


@pytest.mark.parametrize("n_orders", [3, 30])
def test_unbalanced_orders_are_refused(n_orders):
    with pytest.raises(ParamsError, match=rf"probes.scale_orders: found {n_orders}; expected a multiple of 4 "):
        balanced_orders(4, n_orders)


def test_more_than_all_orders_are_all():
    """A scale of three options and one of four can be asked in one study."""
    assert set(balanced_orders(3, 12)) == set(itertools.permutations(range(3)))


def test_self_report_sets_the_three_shifts_of_one_outcome_side_by_side(materials):
    scores = scale_scores(table(materials, lambda _, item, *__: almost(3 if item.key > 0 else 0), conditions=("a",)))
    shifts = pd.DataFrame([
        {**KEYS, "condition": "a", "seed": s, "family": f, "ring": r, "outcome": o, "shift": v}
        for s in (0, 1) for r, scale in (("near", 1.0), ("far", 9.0))
        for f, o, v in (("choice", "withdraw", 2.0 * scale), ("choice", "guard", -1.0), ("interpretation", "loss", 0.7))
    ])  # fmt: skip
    made = self_report(scores, shifts, {"loss": "withdraw", "threat": "guard", "benign": "engage"}, "near")
    loss = made[made["outcome"] == "loss"]
    assert loss[["scale_shift", "choice_shift", "interpretation_shift"]].to_numpy() == pytest.approx(
        np.array([[0.5, 2.0, 0.7]] * 2), abs=1e-6
    )
    threat = made[made["outcome"] == "threat"]
    assert (threat["choice_shift"] == -1).all() and threat["interpretation_shift"].isna().all()


CSV = "scale,outcome,text,key\nmine,loss,My days seem pointless.,1\nmine,loss,My life is full of hope.,-1\n"


def test_a_csv_takes_the_place_of_the_scales(write_study, params_folder):
    (params_folder / "mine.csv").write_text(CSV)
    path = write_study(lambda data: data["probes"].update(scales_csv="mine.csv", scale_orders=4))
    study = load_study(path)
    assert list(study.materials.scales) == ["mine"]
    assert [(i.text, i.key) for i in study.materials.scales["mine"].items] == [
        ("My days seem pointless.", 1), ("My life is full of hope.", -1),
    ]  # fmt: skip
    (params_folder / "mine.csv").write_text(CSV.replace("full of hope", "good"))
    assert load_study(path).materials_hash != study.materials_hash


OWN = "scale,outcome,text,key,options\n" + "".join(
    f"{line},never|sometimes|often\n" for line in CSV.splitlines()[1:]
)  # fmt: skip


def test_a_csv_may_bring_its_own_response_options(write_study, params_folder):
    (params_folder / "mine.csv").write_text(OWN + "other,threat,Enemies plot against me.,1,\n")
    path = write_study(lambda data: data["probes"].update(scales_csv="mine.csv", scale_orders=12))
    materials = load_study(path).materials
    base = load_base(BaseModelParams(name="llama-coupled-0", source="embedded:llama-coupled-0"))
    few = materials.model_copy(update={"scales": {"mine": materials.scales["mine"]}})
    asked = scale_table(Scorer(base.model, base.tokenizer), few, 3)
    assert set(asked["label_set"]) == {"own"} and len(asked) == 2 * 3 * 3  # items x orders x options
    assert (asked.groupby(["item", "order"])["level"].apply(sorted).map(tuple) == (0, 1, 2)).all()
    assert list(materials.scales["other"].label_sets(materials.forms.scale)) == ["agreement", "frequency"]
    one_set = asked.assign(**KEYS, condition="a", seed=0, base_logprob=asked["logprob"])
    assert scale_scores(one_set)["label_set_sensitivity"].isna().all()
    with pytest.raises(
        ParamsError,
        match=r"smoke.yaml: probes.scale_orders: found 4; expected a multiple of 12 and at most 24 .* 3 or 4 response",
    ):
        load_study(write_study(lambda data: data["probes"].update(scales_csv="mine.csv", scale_orders=4)))


def test_more_orders_than_there_are_is_one_line(write_study):
    with pytest.raises(ParamsError, match=r"probes\.scale_orders: found 28; expected a multiple of 4 and at most 24"):
        load_study(write_study(lambda data: data["probes"].update(scale_orders=28)))


BAD_CSV = {
    "one option": (OWN.replace("never|sometimes|often", "never"), "labels"),
    "an empty option": (OWN.replace("sometimes", ""), "labels"),
    "an option twice": (OWN.replace("sometimes", "Never"), "options: 'Never' is given twice"),
    "two sets of options": (OWN.replace("-1,never", "-1,always"), "line 3: found options 'always"),
    "no such column": (CSV.replace("key", "sign"), "lacks the column.s. key"),
    "a column misspelled": (OWN.replace("key,options", "key,option"), "found the column.s. option; .* options"),
    "key 2": (CSV.replace(",-1", ",2"), "line 3: found .*; expected a text in each and a key of 1 or -1"),
    "empty text": (CSV.replace("My life is full of hope.", ""), "line 3"),
    "two outcomes": (CSV + "mine,threat,Enemies plot against me.,1\n", "line 4: found outcome 'threat'"),
    "no items": ("scale,outcome,text,key\n", "found no items"),
    "text twice": (CSV + "mine,loss,my days seem  pointless,-1\n", "mine: 'my days seem  pointless' is given twice"),
    "unknown outcome": (CSV.replace(",loss", ",joy"), "found outcome 'joy'"),
    "a line break in a text": (CSV.replace("full of hope", "full\nof hope").replace("My life", '"My life').replace(
        "hope.", 'hope."'), "line 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CSV)
def test_bad_csv_is_one_line(name, write_study, params_folder):
    content, named = BAD_CSV[name]
    (params_folder / "mine.csv").write_text(content)
    with pytest.raises(MaterialsError, match=named) as caught:
        load_study(write_study(lambda data: data["probes"].update(scales_csv="mine.csv", scale_orders=12)))
    assert "mine.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_licensed_scale_may_have_one_key(write_study, params_folder, materials):
    """Agreeing cannot be told from the trait then: acquiescence is empty, and the score is the forward items'."""
    (params_folder / "mine.csv").write_text(CSV.replace(",-1", ",1"))
    path = write_study(lambda data: data["probes"].update(scales_csv="mine.csv", scale_orders=4))
    assert {item.key for item in load_study(path).materials.scales["mine"].items} == {1}
    rows = [
        {**dict.fromkeys(["base_model", "group", "world", "condition"], "m"), "seed": seed, "scale": "mine",
         "outcome": "loss", "item": item, "key": 1, "label_set": 0, "order": order, "level": level,
         "logprob": np.log(p), "base_logprob": np.log(0.5)}
        for seed in (0, 1) for item in ("a", "b") for order in (0, 1) for level, p in ((0, 0.2), (1, 0.8))
    ]  # fmt: skip
    table = scale_scores(pd.DataFrame(rows))
    assert table["score"].tolist() == pytest.approx([0.8, 0.8]) and table["acquiescence"].isna().all()
    both = scale_scores(pd.DataFrame([{**row, "key": -1 if row["item"] == "b" else 1} for row in rows]))
    assert both["score"].tolist() == pytest.approx([0.5, 0.5]) and both["acquiescence"].tolist() == pytest.approx(
        [0.3, 0.3]
    )


def test_missing_csv_is_one_line(tmp_path):
    with pytest.raises(MaterialsError, match=r"none.csv: cannot be read \(No such file"):
        read_scales(tmp_path / "none.csv")
