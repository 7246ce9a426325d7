"""What is kept of a model is read again number for number, the largest array from the disk."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from priorshift.models.base import load_base
from priorshift.probing.kept import read_base, read_kept_items, write_base, write_kept_items
from priorshift.probing.measure import ItemMeasurements
from priorshift.probing.probe import BaseMeasurements, Prober, make_scorer
from priorshift.study.load import load_study


@pytest.fixture(scope="module", params=["all", "least"])
def measured(tiny_yaml, request):
    study = load_study(tiny_yaml)
    if request.param == "all":
        more = {"scale_orders": 4, "completion_samples": 1, "completion_tokens": 4}
        study.params = study.params.model_copy(update={"probes": study.params.probes.model_copy(update=more)})
    base = load_base(study.params.models[0])
    prober = Prober(study, base, make_scorer(study.params, base))
    return BaseMeasurements(prober.base_measurements, prober.base_completions)


def assert_same(found, expected):
    """Every field, of whatever kind: a field that is added and not written is noticed."""
    assert type(found) is type(expected)
    for field in fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, ItemMeasurements):
            assert_same(a, b)
        elif isinstance(b, np.ndarray):
            assert a.dtype == b.dtype and np.array_equal(a, b), field.name
        elif isinstance(b, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        elif field.name == "other_scores":
            assert list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in b)
        else:
            assert a == b, field.name


def test_a_base_model_is_read_as_it_was_written(measured, tmp_path):
    write_base(tmp_path, measured)
    found = read_base(tmp_path, [0, 1])
    assert_same(found.measurements, measured.measurements)
    assert found.completions.keys() == measured.completions.keys() == {0, 1}
    for seed, texts in measured.completions.items():
        assert (texts is None) == (found.completions[seed] is None)
        assert texts is None or found.completions[seed].equals(texts)


def test_a_merged_item_is_remembered_and_the_largest_array_stays_on_the_disk(measured, tmp_path):
    items = measured.measurements.items
    merged = ItemMeasurements(**{f.name: getattr(items, f.name) for f in fields(items)} | {"merged": frozenset({2, 0})})
    write_kept_items(tmp_path, merged)
    found = read_kept_items(tmp_path)
    assert_same(found, merged)
    assert isinstance(found.next_token, np.memmap) and not found.next_token.flags.writeable
