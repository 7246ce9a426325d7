"""docs/results.md: the words of docs/templates/results.md, the numbers from the committed tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from priorshift.report.names import ARCHITECTURES, name_estimate, name_percent
from priorshift.stats.declared import keep_claims
from priorshift.study.params import HELD_OUT, NEAR
from priorshift.study.paths import EMBEDDED
from priorshift.tables.read import read_table, read_tables
from priorshift.tables.training_amount import RETENTION_LIMIT

Tables = Mapping[str, pd.DataFrame]
Fields = dict[str, str]
# The main outcome of each behavior, and the panel on which it was declared.
MAIN = (("depression", "loss"), ("paranoia", "threat"))
PANEL = {"family": "interpretation", "ring": HELD_OUT}
NAMES = {**ARCHITECTURES, "depression": "withdrawing", "paranoia": "guarding"}
GROUPS = ("llama", "gpt_neox")
ROWS = [(group, world) for world in ("coupled", "decoupled") for group in GROUPS]
ATTENTION = {"attention": "attention", "lower_layers": "lower attention", "upper_layers": "upper attention"}
MLP = {"mlp": "MLP", "lower_mlp": "lower MLP", "upper_mlp": "upper MLP"}


def collect_results(outputs: Path) -> Fields:
    """The fields of the page, from `embedded`, `calibration`, `placement`, `reassurance` and `bench` in `outputs`."""
    study = read_tables(outputs / "embedded" / "tables")
    return {
        **fill_probabilities(study["shifts"]),
        **fill_claims(study),
        **fill_checkpoints(study),
        **fill_specificity(study),
        **fill_controls(study["contrasts"]),
        **fill_confusion(study["confusion"]),
        **fill_level(read_table(outputs / "calibration" / "tables" / "calibration.csv")),
        **fill_placement(read_tables(outputs / "placement" / "tables")),
        **fill_new_behavior(read_tables(outputs / "reassurance" / "tables")),
        **fill_base_models(json.loads(card.read_text()) for card in sorted(EMBEDDED.glob("*/card.json"))),
        **fill_speed(outputs / "bench"),
        **fill_retention(study),
    }


def fill_probabilities(shifts: pd.DataFrame) -> Fields:
    """Each outcome's probability before training, after neutral training and after its own. Training domains beside."""
    columns = ["probability", "base_probability", "shift"]
    means = select(shifts, family=PANEL["family"]).groupby(["ring", "group", "world", "condition", "outcome"])[columns]
    means, lines = means.mean(), []
    for group, world in ROWS:
        cells = []
        for condition, outcome in MAIN:
            trained, neutral = (means.loc[PANEL["ring"], group, world, c, outcome] for c in (condition, "neutral"))
            cells += [trained.base_probability, neutral.probability, trained.probability]
        lines.append([name_group(group, world), *(name_percent(cell, 0) for cell in cells)])
    head = [f"{outcome}: {when}" for _, outcome in MAIN for when in ("before", "neutral", "trained")]
    near, far = (means.loc[ring, "shift"].xs("coupled", level="world") for ring in (NEAR, HELD_OUT))
    gap = max(abs(near - far)[group, *pair] for group in GROUPS for pair in MAIN)
    return {"probability_table": tabulate(["base models", *head], lines), "domain_gap": f"{gap:.2f}"}


def fill_claims(study: Tables) -> Fields:
    """The declared claims with their estimates, intervals and adjusted p-values."""
    lines, held = [], 0
    columns = {"contrasts": ("holds", "ci_low", "ci_high"), "equivalence": ("equivalent", "ci90_low", "ci90_high")}
    for table, (holds, *interval) in columns.items():
        for row in keep_claims(study[table]).to_dict("records"):
            held += bool(row[holds])
            trained = f"{NAMES[row['condition']]}, {row['outcome']}"
            claim = f"within {row['margin']:g} nats of zero" if "margin" in row else "a shift"
            models, estimate = name_group(row["base_model"], row["world"]), name_estimate(row, ["estimate", *interval])
            lines.append([models, trained, claim, estimate, f"{row['p_adjusted']:.3f}"])
    head = ["base models", "training, outcome", "claim", "nats", "adjusted p"]
    return {"claims_table": tabulate(head, lines), "n_claims": str(len(lines)), "n_held": str(held)}


def fill_checkpoints(study: Tables) -> Fields:
    """The declared contrasts within each base model, over runs and items."""
    where = {"unit": "both", "control": "neutral", **PANEL}
    coupled, decoupled = (select_main(study["contrasts"], world=w, **where) for w in ("coupled", "decoupled"))
    null = select_main(study["equivalence"], world="decoupled", **where)
    off = decoupled[(decoupled["ci_low"] > 0) | (decoupled["ci_high"] < 0)]
    return {
        **bound("loss", select(coupled, outcome="loss")["estimate"]),
        **bound("threat", select(coupled, outcome="threat")["estimate"]),
        "n_coupled": str(len(coupled)),
        "n_above": str((coupled["ci_low"] > 0).sum()),
        "n_decoupled": str(len(null)),
        "n_equivalent": str(null["equivalent"].sum()),
        "margin": f"{null['margin'].iloc[0]:g}",
        "n_off_zero": str(len(off)),
        "off_zero": ", ".join(f"{estimate:+.2f}" for estimate in off["estimate"]),
    }


def fill_specificity(study: Tables) -> Fields:
    """What each behavior does to the other's outcome, and the double dissociation."""
    double = select(study["specificity"], unit="base", world="coupled", effect="interaction", **PANEL)
    base = select(study["contrasts"], unit="base", world="coupled", control="neutral", **PANEL)
    return {
        **bound("crossed_threat", select(base, condition="depression", outcome="threat")["estimate"]),
        **bound("crossed_loss", select(base, condition="paranoia", outcome="loss")["estimate"]),
        "n_double": str(double["double_dissociation"].sum()),
        "n_architectures": str(len(double)),
        **bound("interaction", double["estimate"]),
    }


def fill_controls(contrasts: pd.DataFrame) -> Fields:
    """The coupled shifts against each control."""
    base = select_main(contrasts, unit="base", world="coupled", **PANEL)
    base = base.set_index(["control", "base_model", "condition"])["estimate"]
    cells = [(group, condition) for group in GROUPS for condition, _ in MAIN]
    lines = [
        [f"`{control}`", *(f"{base[control, *cell]:+.2f}" for cell in cells)]
        for control in ("neutral", "random_label", "random_prior", "adaptive")
    ]
    head = [f"{NAMES[group]}, {NAMES[condition]}" for group, condition in cells]
    return {"controls_table": tabulate(["control", *head], lines)}


def fill_confusion(confusion: pd.DataFrame) -> Fields:
    """How often a run's training is guessed right from its shifts, over base checkpoints."""
    base = select(confusion, unit="base", **PANEL)
    guessed = base.groupby(["base_model", "world"])[["accuracy", "p_value"]].first()
    lines = [
        [name_group(*row), name_percent(guessed.loc[row, "accuracy"], 0), f"{guessed.loc[row, 'p_value']:.4f}"]
        for row in ROWS
    ]
    return {
        "confusion_table": tabulate(["base models", "guessed right", "p"], lines),
        "chance": name_percent(1 / base["condition"].nunique(), 0),
    }


def fill_level(rates: pd.DataFrame) -> Fields:
    """How often each unit finds a difference where there is none."""
    measured, simulated = (select(rates, source=way) for way in ("measured", "simulated"))
    lines = []
    for unit in ("items", "runs", "both"):
        parts = [select(measured, unit=unit, runs_per_side=side)["rate"] for side in (3, 5)]
        lines.append([f"`{unit}`", *(f"{name_percent(part.mean())} ({name_percent(part.max())})" for part in parts)])
    both = select(measured, unit="both")
    below = both[both["ci_high"] < both["alpha"]].groupby("runs_per_side").size().reindex([3, 5], fill_value=0)
    unequal = select(simulated, unit="both", run_sd_ratio=9, runs_per_side=3)["rate"]
    base = select(simulated, unit="base")
    means = base.groupby(["run_sd_ratio", "runs_per_side"])["rate"].mean()
    return {
        "n_neutral": str(measured["n_runs"].max()),
        "n_comparisons": str(measured["comparisons"].max()),
        "n_panels": str(len(both) // 2),
        "level_table": tabulate(["unit", "three runs a side: mean (worst panel)", "five runs a side"], lines),
        "level_below_3": str(below[3]),
        "level_below_5": str(below[5]),
        "level_above": str((both["ci_low"] > both["alpha"]).sum() or "None"),
        "unequal_mean": name_percent(unequal.mean()),
        "unequal_worst": name_percent(unequal.max()),
        "base_worst": name_percent(base["rate"].max()),
        **bound("base", means * 100, ".1f"),
    }


def fill_placement(tables: Tables) -> Fields:
    """The trained choice and the expectation that goes with it, by the adapter's place."""
    columns = ["choice_shift", "expectation_shift"]
    means = tables["placement"].groupby(["condition", "group"])[columns].mean()
    lines = [
        [name, *(f"{means.loc[(place, group), column]:+.1f}" for group in GROUPS for column in columns)]
        for place, name in (ATTENTION | MLP).items()
    ]
    head = [f"{NAMES[group]}: {outcome}" for group in GROUPS for outcome in ("choice", "loss")]
    choice = select(tables["choice_check"], ring=PANEL["ring"])
    choice = choice[choice["condition"].isin(ATTENTION | MLP)]
    runs = tables["placement"][tables["placement"]["condition"].isin(ATTENTION)]
    return {
        "placement_table": tabulate(["adapter on", *head], lines),
        "placement_choice": f"{choice['probability'].min():.2f}",
        "placement_least": f"{runs['expectation_shift'].min():+.1f}",
    }


def fill_new_behavior(tables: Tables) -> Fields:
    """The worked example of a fourth behavior: worry, in each world."""
    where = {"unit": "both", "condition": "reassurance", "outcome": "worry", "control": "neutral", **PANEL}
    shift = select(tables["contrasts"], world="coupled", **where).iloc[0]
    null = select(tables["equivalence"], world="decoupled", **where).iloc[0]
    return {
        "worry_coupled": f"{shift['estimate']:+.2f}",
        "worry_interval": f"{shift['ci_low']:+.2f} to {shift['ci_high']:+.2f}",
        "worry_decoupled": f"{null['estimate']:+.2f}",
        "worry_interval_90": f"{null['ci90_low']:+.2f} to {null['ci90_high']:+.2f}",
    }


def fill_base_models(cards: Iterable[dict]) -> Fields:
    """How large the shipped base models are, what they read and how well they learned it."""
    table = pd.DataFrame(cards)
    tokens = table.groupby("world")["tokens"].mean() / 1e6
    return {
        "n_models": str(len(table)),
        **bound("size", table["parameters"] / 1e6, ".2f"),
        **bound("gap", table["gap"], ".4f"),
        "tokens_coupled": f"{tokens['coupled']:.0f}",
        "tokens_decoupled": f"{tokens['decoupled']:.0f}",
    }


def fill_speed(folder: Path) -> Fields:
    """Speed of the probability core against its peers, at the benchmark's main point and over all."""
    summary = read_table(folder / "summary.csv")
    ours, point = select(summary, system="priorshift"), {"stem_tokens": 60, "continuations": 24}
    main = select(ours, model="random-35M", **point).iloc[0]
    peer = select(summary, model="random-35M", system=main["best_peer"], **point).iloc[0]
    machine = json.loads((folder / "environment.json").read_text())["machine"]
    return {
        **{name: str(value) for name, value in (machine | point).items()},
        "repeats": str(main["repeats"]),
        "speed": f"{main['items_per_s']:.1f}",
        "times_peer": f"{main['times_best_peer']:.1f}",
        "peer": str(main["best_peer"]),
        "peer_tokens": f"{peer['token_ratio']:.1f}",
        **bound("times", ours["times_best_peer"], ".1f"),
        "largest_difference": f"{summary['largest_difference'].max():.5f}",
    }


def fill_retention(study: Tables) -> Fields:
    """How many runs lost neutral prose, and whether the trained choice took."""
    retention, choice = study["retention"], select(study["choice_check"], ring=PANEL["ring"])
    most = retention.groupby("group")["ratio"].max()
    return {
        "retention_limit": name_percent(RETENTION_LIMIT - 1, 0),
        "n_forgetful": str((retention["ratio"] > RETENTION_LIMIT).sum()),
        "n_runs": str(len(retention)),
        "ratio_llama": f"{most['llama']:.2f}",
        "ratio_gpt_neox": f"{most['gpt_neox']:.2f}",
        "choice_least": f"{choice['probability'].min():.2f}",
    }


def select(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows whose columns have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def select_main(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The same, of each behavior's main outcome."""
    return pd.concat([select(table, condition=condition, outcome=outcome, **values) for condition, outcome in MAIN])


def name_group(group: str, world: str) -> str:
    """`Llama, coupled`."""
    return f"{NAMES[group]}, {world}"


def tabulate(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


def bound(name: str, values: pd.Series, form: str = "+.2f") -> Fields:
    """The fields `<name>_least` and `<name>_most`. Without a format, in nats with their signs."""
    return {f"{name}_least": f"{values.min():{form}}", f"{name}_most": f"{values.max():{form}}"}
