"""What training did to each run: choices, retention, divergences, shifts, losses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.models.files import locate
from priorshift.stats.claims import NOT_ESTIMABLE
from priorshift.stats.intervals import mean_interval
from priorshift.stats.panels import PROBE, RUN
from priorshift.study.params import StudyParams
from priorshift.study.run import Run


def check_choices(items: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Check whether each fine-tune took: mean probability of the trained class on decisions, by run and ring.

    Only conditions that always choose one class have rows: `tables/choice_check.csv`.
    """
    trained = {
        name: max(condition.policy, key=condition.policy.get)
        for name, condition in study.conditions.items()
        if condition.task == "decisions"
        and isinstance(condition.policy, dict)
        and max(condition.policy.values()) == 1.0
    }
    rows = items[(items["family"] == "choice") & (items["outcome"] == items["condition"].map(trained))]
    means = rows.groupby([*RUN, "ring", "outcome"], sort=True)[["probability", "base_probability"]].mean()
    return means.reset_index().rename(columns={"outcome": "trained_class"})


def compute_retention(prose: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Compute each trained run's perplexity per token on neutral prose, and its ratio to the base model's.

    `tables/retention.csv`. Perplexity is exp(-mean logprob), the mean over all tokens of all texts.
    """
    trained = [name for name, condition in study.conditions.items() if not condition.in_context]
    sums = (
        prose[prose["condition"].isin(trained)]
        .groupby(RUN, sort=True)[["tokens", "logprob", "base_logprob"]]
        .sum()
        .reset_index()
    )
    sums["perplexity"] = np.exp(-sums["logprob"] / sums["tokens"])
    sums["base_perplexity"] = np.exp(-sums["base_logprob"] / sums["tokens"])
    sums["ratio"] = sums["perplexity"] / sums["base_perplexity"]
    return sums.drop(columns=["tokens", "logprob", "base_logprob"])


def average_jsd(next_token: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Average each condition's divergences (bits), with intervals over runs: `tables/jsd.csv`.

    `jsd` and `jsd_candidates` are from the base model, `jsd_reference` from the first neutral run. That of the other
    neutral runs is the seed-to-seed floor: what fine-tuning with another seed does by itself. All share that run, so
    that no interval over them would hold, and it is left empty. The others are Student's t over run means, cut at 0:
    no divergence lies below it. One run has none.
    """
    measures = ["jsd", "jsd_candidates", "jsd_reference"]
    long = next_token.melt([*RUN, "family", "ring"], measures, var_name="measure", value_name="bits").dropna()
    keys = ["base_model", "group", "world", "condition", "family", "ring", "measure"]
    runs = long.groupby([*keys, "seed"], sort=True)["bits"].mean().reset_index()
    rows = []
    for key, group in runs.groupby(keys, sort=True):
        rows.append(dict(zip(keys, key, strict=True)) | {"n_runs": len(group)} | mean_interval(group["bits"], alpha))
    table = pd.DataFrame(rows)
    table["ci_low"] = table["ci_low"].clip(lower=0.0)
    table.loc[table["measure"] == "jsd_reference", ["ci_low", "ci_high"]] = np.nan
    return table


NAMED_WORDS = 3


def sum_token_classes(tokens: pd.DataFrame) -> pd.DataFrame:
    """Sum the parts of the JSD (bits) by class of next token, averaged over items, runs and base models.

    `tables/jsd_tokens.csv`. A token is of the class whose continuations begin with it, of ``several classes`` or of
    ``no class``. The classes of a condition, family and ring sum to its JSD. `words` has the three that hold most.
    """
    keys = ["group", "world", "condition", "family", "ring"]
    measured = tokens[[*keys, "base_model", "seed", "item"]].drop_duplicates().groupby([*keys, "base_model"]).size()
    models = measured.groupby(keys).transform("size")
    shares = (1 / (measured * models)).rename("share")
    tokens = tokens.join(shares, on=[*keys, "base_model"])
    tokens = tokens.assign(jsd=tokens["jsd"] * tokens["share"], text=tokens["text"].str.strip())
    keys.append("token_class")
    sums = tokens.groupby(keys, sort=False)["jsd"].sum()
    words = tokens[tokens["text"] != ""].groupby([*keys, "text"], sort=False)["jsd"].sum().reset_index()
    words = words.sort_values("jsd", ascending=False, kind="stable").groupby(keys, sort=False).head(NAMED_WORDS)
    named = words.groupby(keys, sort=False)["text"].agg(", ".join)
    return sums.to_frame().assign(words=named.reindex(sums.index).fillna("")).reset_index()


def average_shifts(items: pd.DataFrame) -> pd.DataFrame:
    """Average each run's shift (nats), probability and covered mass over items: what every point of a figure is.

    `tables/shifts.csv`. The table of items has a row for each run, item and outcome.
    """
    keys = [*RUN, *PROBE]
    values = ["shift", "probability", "base_probability", "covered_mass", "base_covered_mass"]
    return items.groupby(keys, sort=True)[values].mean().reset_index()


LAST_STEPS = 5


def average_last_losses(losses: pd.DataFrame) -> pd.DataFrame:
    """Average the training loss (nats per token) over each run's last five steps: `tables/last_losses.csv`.

    Parameters
    ----------
    losses : base_model, condition, seed, step and loss, in the order of steps
    """
    runs = losses.groupby(list(Run._fields), sort=True)["loss"]
    return runs.apply(lambda loss: loss.tail(LAST_STEPS).mean()).rename("last_loss").reset_index()


def list_not_estimable(*refused: pd.DataFrame) -> pd.DataFrame:
    """List the claims that the tables leave out, and why: `tables/not_estimable.csv`.

    Parameters
    ----------
    refused : what `claims.estimate_claims`, `dissociate_behaviors` and `classify_runs` refused; columns may be missing
    """
    parts = [part.reindex(columns=NOT_ESTIMABLE) for part in refused if len(part)]
    return pd.concat(parts, ignore_index=True).fillna("") if parts else pd.DataFrame(columns=NOT_ESTIMABLE)


def read_base_cards(study: StudyParams) -> list[dict]:
    """Read the cards of the study's calibration models, shipped or rebuilt elsewhere, in their order.

    No other model knows its gap, whatever `card.json` may lie beside it.
    """
    return [card for model in study.models if "gap" in (card := locate(model)[1])]
