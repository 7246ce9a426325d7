"""A condition has one colour, and no two have the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from priorshift.report.palette import PALETTE, TINTS, choose_colours, order_conditions
from priorshift.study.load import load_study

BASES = st.sampled_from([*PALETTE, "mine", "yours", *(f"more {i}" for i in range(30))])
AFFIXES = st.sampled_from(["", *TINTS])


def join(base, affix):
    return base + affix if affix.startswith("_") else affix + base


@given(st.lists(st.builds(join, st.builds(join, BASES, AFFIXES), AFFIXES), unique=True, max_size=60))
def test_no_two_conditions_share_a_colour(names):
    palette = choose_colours(names)
    assert list(palette) == names and len(set(palette.values())) == len(names)


@pytest.mark.parametrize("file", ["placement", "design", "embedded", "reassurance"])
def test_no_two_conditions_of_a_study_share_a_colour(root, file):
    palette = choose_colours(load_study(root / f"params/{file}.yaml").params.conditions)
    assert len(set(palette.values())) == len(palette) > 4


def test_further_conditions_change_no_colour():
    names = ["depression", "mine", "neutral", "yours"]
    assert choose_colours([*names, "another"])["yours"] == choose_colours(names)["yours"]


def test_variants_of_a_studys_own_behavior_are_tints_of_its_colour():
    palette = choose_colours(["letter_anger", "anger_50", "anger", "other"])
    own, half, letter = (np.array(to_rgb(palette[name])) for name in ("anger", "anger_50", "letter_anger"))
    assert half == pytest.approx((own + 1) / 2, abs=0.01) and letter == pytest.approx(0.6 * own, abs=0.01)


def test_conditions_of_the_palette_come_first():
    assert order_conditions(["mine", "neutral", "depression", "mine"]) == ["depression", "neutral", "mine"]
