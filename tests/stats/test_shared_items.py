"""Which runs and items count in a comparison of means."""

from __future__ import annotations

import numpy as np
import pytest

from priorshift.stats.shared_items import (
    NotEstimable,
    drop_empty_runs,
    find_measured_in_all,
    keep_shared_items,
    refuse_fewer,
)

RNG = np.random.default_rng(0)
TREATMENT, CONTROL = RNG.normal(0.4, 1, (4, 9)), RNG.normal(0, 0.5, (3, 9))


def test_items_and_runs_that_are_kept_are_complete():
    treatment, control = TREATMENT.copy(), CONTROL.copy()
    treatment[0] = np.nan  # a run that measured nothing
    treatment[1, 2] = control[:, 4] = np.nan
    kept = keep_shared_items(treatment, control)
    columns = [0, 1, 3, 5, 6, 7, 8]
    assert np.array_equal(kept[0], TREATMENT[1:, columns]) and np.array_equal(kept[1], CONTROL[:, columns])


def test_an_item_counts_that_some_run_of_every_panel_measured():
    one, other = TREATMENT.copy(), CONTROL.copy()
    one[0, 0] = other[:, 1] = np.nan
    assert find_measured_in_all(one, other).tolist() == [True, False] + [True] * 7
    one[2] = np.nan
    assert np.array_equal(drop_empty_runs(one), one[[0, 1, 3]], equal_nan=True)


@pytest.mark.parametrize(
    ("panels", "reason"),
    [
        ((TREATMENT[:0], CONTROL), "no runs of the treatment"),
        ((TREATMENT, CONTROL, TREATMENT, CONTROL[:0]), "no runs of the control"),
        ((TREATMENT, CONTROL * np.nan), "no item was measured in both conditions$"),
        ((TREATMENT, CONTROL, TREATMENT * np.nan, CONTROL), "both conditions of every base checkpoint"),
    ],
)
def test_what_cannot_be_compared_is_refused(panels, reason):
    with pytest.raises(NotEstimable, match=reason):
        keep_shared_items(*panels)


def test_a_single_run_is_too_few_where_two_are_needed():
    refuse_fewer(2, TREATMENT, CONTROL)
    with pytest.raises(NotEstimable, match="a single run of the control"):
        refuse_fewer(2, TREATMENT, CONTROL[:1])
