"""Scales from a user's CSV, and balanced orders of their response options."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import read_refusal

from priorshift.materials.questionnaires import list_balanced_orders, read_scales

CSV = "scale,outcome,text,key\nmine,loss,My days seem pointless.,1\nmine,loss,My life is full of hope.,-1\n"
OWN = "scale,outcome,text,key,options\n" + "".join(
    f"{line},never|sometimes|often\n" for line in CSV.splitlines()[1:]
)  # fmt: skip


@pytest.mark.parametrize("text", [CSV, "\ufeff" + CSV, CSV.replace("\n", "\r\n"), CSV.replace(",1\n", ", +1 \n")])
def test_a_csv_is_read_as_it_stands(text, tmp_path):
    (tmp_path / "mine.csv").write_bytes(text.encode())
    (scale,) = read_scales(tmp_path / "mine.csv").values()
    assert scale.outcome == "loss" and scale.labels is None
    assert [(item.text, item.key) for item in scale.items] == [
        ("My days seem pointless.", 1), ("My life is full of hope.", -1),
    ]  # fmt: skip


def test_a_csv_may_bring_options_for_some_of_its_scales(tmp_path):
    (tmp_path / "mine.csv").write_text(OWN + "other,threat,Enemies plot against me.,1,\n")
    scales = read_scales(tmp_path / "mine.csv")
    assert scales["mine"].labels == ("never", "sometimes", "often") and scales["other"].labels is None


BAD = {
    "one option": (OWN.replace("never|sometimes|often", "never"), "labels"),
    "an empty option": (OWN.replace("sometimes", ""), "labels"),
    "two sets of options": (OWN.replace("-1,never", "-1,always"), "line 3: found options 'always"),
    "no such column": (CSV.replace("key", "sign"), "lacks the column(s) key"),
    "a column misspelled": (OWN.replace("key,options", "key,option"), "found the column(s) option; "),
    "key 2": (CSV.replace(",-1", ",2"), "line 3: found "),
    "empty text": (CSV.replace("My life is full of hope.", ""), "line 3"),
    "two outcomes": (CSV + "mine,threat,Enemies plot against me.,1\n", "line 4: found outcome 'threat'"),
    "no items": ("scale,outcome,text,key\n", "found no items"),
    "a line break in a text": (CSV.replace("My life is full of hope.", '"My life is full\nof hope."'), "line 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_csv_is_refused(name, tmp_path):
    content, named = BAD[name]
    (tmp_path / "mine.csv").write_text(content)
    said = read_refusal(read_scales, tmp_path / "mine.csv")
    assert named in said and "mine.csv" in said


def test_what_is_no_csv_is_refused(tmp_path):
    assert "none.csv: cannot be read" in read_refusal(read_scales, tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in read_refusal(read_scales, tmp_path / "binary.csv")


@given(st.integers(2, 5), st.integers(1, 6))
def test_each_label_stands_equally_often_in_each_place(n_labels, n_squares):
    orders = list_balanced_orders(n_labels, n_labels * n_squares)
    assert len(set(orders)) == len(orders) and orders == list_balanced_orders(n_labels, n_labels * n_squares)
    places = Counter((place, label) for order in orders for place, label in enumerate(order))
    assert set(places.values()) == {len(orders) // n_labels} and len(places) == n_labels**2


def test_more_than_all_orders_are_all():
    assert set(list_balanced_orders(3, 12)) == set(itertools.permutations(range(3)))


@pytest.mark.parametrize("n_orders", [3, 30])
def test_orders_that_balance_nothing_are_refused(n_orders):
    assert f"found {n_orders}; expected a multiple of 4 " in read_refusal(list_balanced_orders, 4, n_orders)
