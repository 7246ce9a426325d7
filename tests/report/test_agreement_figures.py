"""The heat map shows the table's correlations at their places, and its description tells them."""

from __future__ import annotations

from support.prose import says
from support.synthetic_items import base_models, row, study

from priorshift.report.agreement_figures import draw_agreement
from priorshift.stats.agreement import OVER, correlate_measures
from priorshift.tables.measures import measure_probes


def make(models=None):
    items = study(models=models, families=("interpretation", "feeling"))
    return correlate_measures(measure_probes(items, "held_out_domains"), 0.05)


def test_every_correlation_stands_at_its_place():
    table = make()
    picture = draw_agreement(table)
    axis = next(axis for axis in picture.figure.axes if axis.get_title() == "coupled world")
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels[0] == "feeling: benign" and labels[-1] == "interpretation: threat"
    shown = {(round(t.get_position()[1] - 0.5), round(t.get_position()[0] - 0.5)): t.get_text() for t in axis.texts}
    names = {"method": "feeling", "outcome": "loss", "other_method": "interpretation", "other_outcome": "loss"}
    own = table.query("base_model == 'all' and world == 'coupled'")
    low, high = labels.index("feeling: loss"), labels.index("interpretation: loss")
    assert shown[high, low] == f"{row(own, over=OVER[0], **names)['correlation']:.2f}"
    assert shown[low, high] == f"{row(own, over=OVER[1], **names)['correlation']:.2f}"
    reliable = row(own, over=OVER[0], **names | {"other_method": "feeling"})["correlation"]
    assert shown[low, low] == f"{reliable:.2f}" and len(shown) == 36


def test_a_panel_for_each_world_and_a_finding_in_the_description():
    picture = draw_agreement(make())
    titles = [axis.get_title() for axis in picture.figure.axes]
    assert titles == ["other base models", "coupled world", "decoupled world"]
    assert says(picture.description, "mean correlation", "same outcome", "different methods")
    alone = draw_agreement(make(base_models(hub=True)[-1:]))
    assert [axis.get_title() for axis in alone.figure.axes] == ["all base models"]
    assert "world" not in alone.description
