"""Which test keeps its level where items of a domain resemble each other, and which rejects too often."""

from __future__ import annotations

import pytest

from priorshift.stats.domain_level import DOMAIN_LEVEL, WIDEST, simulate_domain_level

TABLE = simulate_domain_level(240, 0.05, items_per_domain=[20], shares=[0.5], runs_per_side=[5])


def test_each_test_is_held_to_its_own_claim_and_to_the_widest():
    assert list(TABLE.columns) == DOMAIN_LEVEL and (TABLE.comparisons == 240).all()
    assert TABLE.groupby(["unit", "domains"]).size().to_dict() == {
        ("both", "fixed"): 2, ("both", "random"): 1, ("items", "fixed"): 2, ("items", "random"): 2,
        ("runs", "fixed"): 2,
    }  # fmt: skip
    assert ((TABLE.ci_low <= TABLE.rate) & (TABLE.rate <= TABLE.ci_high)).all()
    assert (TABLE.coverage == 1 - TABLE.rate).all() and (TABLE.rate == TABLE.rejections / TABLE.comparisons).all()


def test_all_keep_the_level_of_their_own_claim():
    own = TABLE[(TABLE.about != WIDEST) | (TABLE.unit.eq("both") & TABLE.domains.eq("random"))]
    assert len(own) == 5 and (own.ci_low < 0.05).all()
    # Over domains of equally many items the t is exact.
    exact = own.query("unit == 'items' and domains == 'random'").iloc[0]
    assert exact.ci_low < 0.05 < exact.ci_high


def test_only_random_domains_and_runs_speak_of_what_is_new():
    widest = TABLE[TABLE.about == WIDEST].set_index(["unit", "domains"])
    assert widest.rate["both", "random"] < 0.09
    for unit in ("items", "runs", "both"):
        assert widest.ci_low[unit, "fixed"] > 0.12


@pytest.mark.parametrize("seed", [3])
def test_the_seed_decides_every_draw(seed):
    few = {"items_per_domain": [4], "shares": [0.2], "runs_per_side": [3], "seed": seed}
    assert simulate_domain_level(3, 0.05, **few).equals(simulate_domain_level(3, 0.05, **few))
