"""Sentences on the agreement of measures and of controls say what the tables hold."""

from __future__ import annotations

import pytest
from support.prose import says
from support.synthetic_items import base_models, study

from priorshift.report.agreement_text import describe_agreement, describe_controls, list_pools
from priorshift.stats.agreement import OVER, correlate_measures, summarize_methods
from priorshift.stats.control_pairs import compare_controls
from priorshift.tables.measures import measure_probes
from priorshift.tables.read import read_table

PAIR = ["neutral", "random_label"]
FAMILIES = ("interpretation", "feeling")


def make_tables(items):
    measures = measure_probes(items, "held_out_domains")
    return {
        "multitrait": correlate_measures(measures, 0.05),
        "methods": summarize_methods(measures, 0.05),
        "controls": compare_controls(items, PAIR, 0.5, 0.05),
    }


def move(items, shift, **where):
    at = (items[list(where)] == list(where.values())).all(axis=1)
    return items.assign(shift=items["shift"] + shift * at)


HUB = base_models(hub=True)[-1:]


@pytest.fixture(scope="module")
def tables():
    return make_tables(study(families=FAMILIES))


def test_each_world_has_its_means_and_its_verdict(tables):
    text, methods = describe_agreement(tables)
    own = tables["multitrait"].query("base_model == 'all' and world == 'coupled'")
    same = own[(own["kind"] == "same outcome, other method") & (own["over"] == OVER[0])]["correlation"].mean()
    assert f"same outcome by different methods {same:+.2f}" in text
    assert "Campbell and Fiske" in text and says(text, "over all runs", "every method")
    bullets = [line for line in text.splitlines() if line.startswith("* ")]
    assert [line[2:].split(",")[0] for line in bullets] == ["Other base models", "Coupled world", "Decoupled world"]
    # Noise of single runs is independent in these tables: within conditions nothing goes together.
    assert says(text, "within conditions", "not shown", "feeling", "interpretation")
    assert len(methods) == 3 * 2 * 2 and {"world", "same outcome, other methods"} <= set(methods)


def test_models_outside_the_worlds_are_all_base_models():
    text, methods = describe_agreement(make_tables(study(models=HUB, families=FAMILIES)))
    assert "* All base models, 12 runs." in text and "world" not in methods
    assert "coupled" not in text


def test_tables_read_again_give_the_same_words(tables, tmp_path):
    again = {}
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        again[name] = read_table(tmp_path / f"{name}.csv")
    assert describe_agreement(again)[0] == describe_agreement(tables)[0]
    assert describe_controls(again, "interpretation", 0.05) == describe_controls(tables, "interpretation", 0.05)
    assert [name for name, _ in list_pools(again["methods"])] == [name for name, _ in list_pools(tables["methods"])]


def test_one_method_and_no_table_are_said():
    alone = make_tables(study(models=HUB))
    assert "by one method" in describe_agreement(alone)[0] and describe_agreement(alone)[1].empty
    assert "fewer than two measures" in describe_agreement({})[0]
    assert "fewer than two controls" in describe_controls({}, "interpretation", 0.05)


def test_controls_that_agree_on_the_headline_family_are_said_to_and_by_how_much(tables):
    text = describe_controls(tables, "interpretation", 0.05)
    own = tables["controls"].query("family == 'interpretation' and unit == 'runs'")
    most = own.loc[own["estimate"].abs().idxmax(), "estimate"]
    assert says(text, "any two", "0.5 nats") and f"{most:+.2f} nats (95 % interval" in text
    assert "something besides" not in text and "Why" not in text


def test_a_family_that_tells_controls_apart_has_one_sentence_and_a_reason():
    items = study(families=(*FAMILIES, "choice"))
    items.loc[items["family"] == "choice", "shift"] *= 0.1
    items = move(items, 1.0, condition="random_label", family="feeling", outcome="loss")
    flagged = make_tables(items)
    text = describe_controls(flagged, "interpretation", 0.05)
    assert text.count("something besides") == 1 and "**Feeling probes measure something besides" in text
    assert "in 7 of 7 base models" in text and "any two lie within" in text
    assert says(text, "choices", "not", "why")
    moved = make_tables(move(items, -1.5, condition="random_label", family="choice", outcome="benign"))
    reason = describe_controls(moved, "interpretation", 0.05)
    assert says(reason, "different choices") and says(reason, "largest difference", "-1.")
    unmeasured = make_tables(items[items["family"] != "choice"])
    assert "choices were not measured" in describe_controls(unmeasured, "interpretation", 0.05)


def test_a_flagged_headline_family_is_not_said_to_agree():
    items = move(study(models=HUB, seeds=1), 1.0, condition="random_label", outcome="loss")
    text = describe_controls(make_tables(items), "interpretation", 0.05)
    assert "any two lie within" not in text and "**Interpretation probes measure something besides" in text
    assert "(no interval)" in text and says(text, "random label minus neutral", "hub/model", "loss")
