"""Sums of squares by hand, and what they do not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from priorshift.stats.bayes_data import summarize_checkpoints, summarize_crossed
from priorshift.stats.shared_items import NotEstimable

CONTROL = np.array([[0.0, 2.0], [2.0, 4.0]])
TREATMENT = np.array([[5.0, 5.0], [7.0, 9.0], [6.0, 10.0]])


def test_sums_of_squares_by_hand():
    data = summarize_crossed(TREATMENT, CONTROL)
    assert data.runs.tolist() == [2, 3] and data.items == 2
    # Run means 1, 3 and 5, 8, 8; each of two items.
    assert data.run_squares == pytest.approx([2 * 2.0, 2 * 6.0])
    # Control adds up exactly; of the treatment's run x item table rests are -1, 1; 0, 0; 1, -1.
    assert data.residual_squares == pytest.approx(4.0)
    # Items: control 1, 3, treatment 6, 8: means 3.5, 5.5, differences 5, 5.
    assert data.centres == pytest.approx(np.array([[4.5, 5.0]]))
    assert data.item_squares == pytest.approx(np.array([[2.0, 0.0], [0.0, 0.0]]))


def test_domains_part_the_items():
    rng = np.random.default_rng(0)
    treatment, control = rng.standard_normal((2, 3, 9))
    domains = np.array(list("bbaabcccc"))
    data = summarize_crossed(treatment, control, domains)
    difference = treatment.mean(axis=0) - control.mean(axis=0)
    assert data.sizes.tolist() == [2, 3, 4]
    assert data.centres[:, 1] == pytest.approx([difference[domains == name].mean() for name in "abc"])
    within = sum(difference[domains == name].var() * (domains == name).sum() for name in "abc")
    assert data.item_squares[1, 1] == pytest.approx(within)
    # Two domains are too few for a variance of domains: they stay fixed.
    assert summarize_crossed(treatment, control, np.repeat([0, 1], [4, 5])).sizes.tolist() == [9]


def test_a_constant_moves_the_centres_alone():
    rng = np.random.default_rng(1)
    treatment, control = rng.standard_normal((2, 3, 6))
    one, other = summarize_crossed(treatment, control), summarize_crossed(treatment + 5, control)
    for name in ("run_squares", "residual_squares", "item_squares", "width"):
        assert getattr(other, name) == pytest.approx(getattr(one, name))
    assert other.centres - one.centres == pytest.approx(np.array([[2.5, 5.0]]))


def test_only_items_that_every_run_measured_count():
    rng = np.random.default_rng(2)
    treatment, control = rng.standard_normal((2, 3, 6))
    holed = treatment.copy()
    holed[1, 4] = np.nan
    data, expected = summarize_crossed(holed, control), summarize_crossed(*np.delete([treatment, control], 4, axis=2))
    assert data.items == 5 and data.item_squares == pytest.approx(expected.item_squares)


def test_checkpoints_by_hand():
    data = summarize_checkpoints([(TREATMENT, CONTROL), (TREATMENT + 1, CONTROL)])
    assert data.differences == pytest.approx([5.0, 6.0]) and data.start == 5.5
    assert data.runs.tolist() == [[2, 3], [2, 3]] and data.run_df.tolist() == [2, 4] and data.items == 2
    assert data.run_squares == pytest.approx([4.0, 12.0])


def test_too_little_data_is_refused_with_its_reason():
    with pytest.raises(NotEstimable, match="a single run of the control"):
        summarize_crossed(TREATMENT, CONTROL[:1])
    with pytest.raises(NotEstimable, match="a single item"):
        summarize_crossed(TREATMENT[:, :1], CONTROL[:, :1])
    with pytest.raises(NotEstimable, match="a single base checkpoint"):
        summarize_checkpoints([(TREATMENT, CONTROL)])
