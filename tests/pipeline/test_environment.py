"""Library versions and devices: they redo nothing, and they are named where they differ."""

from __future__ import annotations

from support.tiny_study import RUN, to_do

from priorshift.files import read_record, write_record
from priorshift.machine import list_versions
from priorshift.pipeline.environment import collect_settings, describe_differences, describe_settings
from priorshift.pipeline.records import locate_run_record


def test_other_versions_and_devices_redo_nothing_and_are_named(study):
    settings = collect_settings(study)
    # Four runs, and four measurements.
    assert settings["torch"] == {list_versions()["torch"]: 8} and settings["device"] == {"cpu": 8}
    assert describe_differences(settings) == "" and len(describe_settings(settings).splitlines()) == 1
    record = locate_run_record(study, RUN)
    other = read_record(record)
    other["versions"]["torch"], other["device"] = "0.1", "cuda"
    write_record(record, other)
    assert to_do(study) == set()
    said = describe_differences(collect_settings(study))
    assert f"torch 0.1 (1) and {list_versions()['torch']} (7)" in said
    assert "device cpu (7) and cuda (1)" in said and "\n" not in said
    assert said in describe_settings(collect_settings(study)).splitlines()


def test_training_in_another_number_type_by_the_studys_word_is_no_difference(study):
    record = locate_run_record(study, RUN)
    other = read_record(record)
    other["training"]["base_dtype"], other["dtype"] = "bfloat16", "bfloat16"
    write_record(record, other)
    settings = collect_settings(study)
    assert settings["dtype"] == {"float32": 7} and settings["dtype in training"] == {"bfloat16": 1}
    assert describe_differences(settings) == ""


def test_what_is_installed_now_is_named_where_it_differs(study, monkeypatch):
    settings = collect_settings(study)
    [peft] = settings["peft"]
    monkeypatch.setattr("priorshift.pipeline.environment.list_versions", lambda: {"torch": "9.0", "peft": peft})
    [_, second] = describe_settings(settings).splitlines()
    assert "torch 9.0" in second and "peft" not in second


def test_of_nothing_nothing_is_said():
    assert describe_differences({}) == "" and "nothing" in describe_settings({})
