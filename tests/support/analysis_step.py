"""All tables of the analysis, here or in a process of its own: tests/support/analysis_step.py STUDY OUTPUTS FOLDER

Of a study whose runs are measured, and of synthetic shifts that are harder to fit: domains, missing cells, a residual
that is small beside the effect, base models that hardly differ. tests/pipeline/test_machines.py compares two processes
that add up in different orders.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from support.synthetic_items import base_models, settings, study

from priorshift.files import write_csv
from priorshift.pipeline import agreement, analyse
from priorshift.stats.bootstrap import bootstrap_claims
from priorshift.stats.claims import estimate_claims
from priorshift.stats.contrasts import list_pairs
from priorshift.stats.influence import leave_one_out
from priorshift.stats.meta_analysis import combine_models
from priorshift.stats.power import estimate_power
from priorshift.study.load import load_study


def make_hard_items(seed: int = 0) -> pd.DataFrame:
    """Shifts of a study with four domains, in which one cell in fifty is missing; one hub model hardly varies."""
    rng = np.random.default_rng(seed)
    models = [*base_models(checkpoints=2, hub=False), *((f"hub/{i}", f"hub/{i}", "") for i in range(2))]
    items = study(seed, n_items=12, models=models)
    numbers = items["item"].str[-3:].astype(int)
    items["domain"] = (numbers % 4).map("domain {}".format)
    items["shift"] += 0.2 * np.sin(numbers % 4) * items["condition"].eq("depression")
    still = items["base_model"] == "hub/1"
    effect = 5.0 * items["condition"].eq("depression") + 0.1 * items["seed"] * items["condition"].ne("neutral")
    items["shift"] = items["shift"].where(~still, effect + 0.01 * items["shift"])
    return items[rng.random(len(items)) > 0.02]


def tabulate_hard() -> dict[str, pd.DataFrame]:
    items, declared = make_hard_items(), settings()
    combined, models = combine_models(items, list_pairs(declared, declared.treatments), declared.alpha)
    return {
        **estimate_claims(items, declared),
        "synthesis": combined,
        "synthesis_models": models,
        "influence": leave_one_out(items[items["base_model"] == "hub/1"], declared),
        "bootstrap": bootstrap_claims(items, declared),
        "power": estimate_power(items, declared),
    }


def tabulate_measured(path: str, outputs: str) -> dict[str, pd.DataFrame]:
    loaded = load_study(path, outputs)
    items = analyse.read_items(loaded, loaded.select("all", "all", "all"))
    tables = analyse.tabulate_claims(loaded, items)
    for step in (analyse.tabulate_meta_analysis, analyse.tabulate_robustness, analyse.tabulate_distributions):
        tables |= step(loaded, items)
    tables |= analyse.tabulate_power(loaded, items, tables) | agreement.tabulate_agreement(loaded, items)
    runs = analyse.tabulate_runs(loaded, items)
    return tables | runs | analyse.tabulate_design(loaded, items, runs)


def write_all(path: str, outputs: str, folder: Path) -> None:
    for name, tables in {"measured": tabulate_measured(path, outputs), "hard": tabulate_hard()}.items():
        for table, rows in tables.items():
            write_csv(folder / name / f"{table}.csv", rows)


if __name__ == "__main__":
    write_all(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
