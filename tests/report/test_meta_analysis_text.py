"""Several base models in words: the numbers of the table, and nothing where there is nothing to combine."""

from __future__ import annotations

from support.synthetic_items import claim, row, settings, study

from priorshift.report.meta_analysis_text import describe_meta_analysis, select_declared_models
from priorshift.stats.contrasts import list_pairs
from priorshift.stats.meta_analysis import combine_models

SETTINGS = settings()
HUB = [(f"hub/{i}", f"hub/{i}", "") for i in range(4)]


def make(models):
    pairs = list_pairs(SETTINGS, SETTINGS.treatments)
    return {"synthesis": combine_models(study(models=models), pairs, 0.05)[0]}


def test_a_line_for_each_declared_contrast_with_the_tables_numbers():
    tables = make(HUB)
    text = describe_meta_analysis(tables, SETTINGS)
    own = row(tables["synthesis"], condition="depression", control="neutral", outcome="loss")
    (line,) = [line for line in text.splitlines() if line.startswith("* Depression-like")]
    for name in ("estimate", "ci_low", "ci_high", "predict_low", "predict_high"):
        assert f"{own[name]:+.2f}" in line
    assert f"SD of {own['tau']:.2f}" in line and "4 base models" in line and "95 % prediction interval" in line
    assert text.count("\n* ") == 2 and "exploratory" in text and "diagnos" not in text


def test_the_widest_answer_of_each_world_is_told():
    architectures = [(f"{kind}-{i}", kind, "coupled") for kind in ("llama", "gpt_neox") for i in range(2)]
    told = describe_meta_analysis(make([*architectures, *HUB]), SETTINGS)
    assert told.count("\n* ") == 2 * 2 and "checkpoints" not in told and "4 base models, coupled world" in told
    assert "2 Llama checkpoints, coupled world" in describe_meta_analysis(make(architectures[:2]), SETTINGS)


def test_two_models_predict_nothing_and_one_says_nothing():
    assert "prediction interval can be made" in describe_meta_analysis(make(HUB[:2]), SETTINGS)
    assert describe_meta_analysis(make(HUB[:1]), SETTINGS) == describe_meta_analysis({}, SETTINGS) == ""
    undeclared = settings(claims=[claim("depression", "calm")])
    assert select_declared_models(make(HUB)["synthesis"], undeclared).empty
    assert describe_meta_analysis(make(HUB), undeclared) == ""
