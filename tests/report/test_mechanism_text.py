"""The words of notebook 08, from tables whose numbers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.mechanism.prior_fit import compare_accounts, tabulate_prior_fit
from priorshift.report.mechanism_figures import draw_mechanism, draw_prior_fit
from priorshift.report.mechanism_text import describe_mechanism, describe_prior_fit

# account -> (predicted shift, log-score), of a shift of 2 nats; and of choices that moved by 4.
ACCOUNTS = {
    "policy_only": (0.0, -0.9),
    "prior": (3.0, -0.1),
    "constant_bias": (2.1, -0.01),
    "prior_and_policy": (1.9, -0.02),
}
CHOICES = {"prior": 3.0, "prior_and_policy": 1.0}


def make_runs(world="coupled", checkpoints=3):
    rows = []
    for number in range(checkpoints):
        for seed in (0, 1):
            off = 0.01 * number + 0.002 * seed
            run = {"base_model": f"llama-{number}", "group": "llama", "world": world, "condition": "depression"}
            run |= {"seed": seed, "outcome": "loss", "own_prior": 0.5}
            for account, (predicted, score) in ACCOUNTS.items():
                row = run | {"account": account, "log_score": score - off, "gain": score + 0.9}
                for family in ("feeling", "interpretation"):
                    rows.append(row | {"family": family, "predicted_shift": predicted + off, "measured_shift": 2.0})
                rows.append(row | {"family": "all", "predicted_shift": np.nan, "measured_shift": np.nan})
            for account, predicted in CHOICES.items():
                row = {"account": account, "family": "choice", "log_score": -1.0, "gain": 0.0}
                rows.append(run | row | {"predicted_shift": predicted, "measured_shift": 4.0})
    table = pd.DataFrame(rows)
    return table.assign(error=table["predicted_shift"] - table["measured_shift"])


def describe(runs):
    return describe_prior_fit(tabulate_prior_fit(runs, 0.5, 0.05), compare_accounts(runs, 0.05))


def test_what_is_right_within_the_margin_is_counted_over_checkpoints():
    told = describe(make_runs())
    assert "Llama, coupled world (unit base)" in told
    assert "The prior of the choices: within 0.5 nats in 0 of 2 predictions." in told and "+1.0" in told
    assert "A prior beside a policy: within 0.5 nats in 2 of 2 predictions." in told
    assert "That nothing else moved: within 0.5 nats in 0 of 2 predictions." in told


def test_the_policy_s_part_is_what_no_prior_of_the_other_families_explains():
    assert "The other +3.00 are policy, 75 % of the shift." in describe(make_runs())


def test_one_checkpoint_speaks_of_its_own_runs():
    assert "llama-0, coupled world (unit runs)" in describe(make_runs(checkpoints=1))


def test_choices_that_hardly_moved_are_not_spoken_of():
    runs = make_runs().assign(measured_shift=lambda table: table["measured_shift"] * 0.1)
    assert "training" not in describe(runs)


def test_what_was_not_made_is_neither_told_nor_drawn():
    assert describe_mechanism({}) == "" and list(draw_mechanism({})) == []


def test_the_figure_has_a_point_for_each_run_family_and_account():
    runs = make_runs()
    picture = draw_prior_fit(runs)
    [axis] = picture.figure.axes
    points = sum(len(collection.get_offsets()) for collection in axis.collections)
    assert points == 6 * 2 * 4 and picture.name == "prior_fit"
