"""Measurement tables -> small tables for readers: choice check, retention, divergence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.models.files import locate
from priorshift.stats.contrasts import REFUSED
from priorshift.stats.intervals import mean_interval
from priorshift.stats.panels import RUN
from priorshift.study.params import Study


def choice_check(items: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Did the fine-tune take? Mean probability of the trained class on decisions, by run and ring.

    Only decisions of one class have rows: a policy that is certain of it.
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


def retention(prose: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Perplexity per token on neutral prose, by trained run, and its ratio to the base model's."""
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


def jsd_table(next_token: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Mean divergences (bits) of each condition with intervals over runs.

    `jsd` and `jsd_candidates` are from the base model, `jsd_reference` from the first neutral run: the other neutral
    runs' is the seed-to-seed floor, what fine-tuning with another seed does by itself. All share that run, so that no
    interval over them would hold, and it is left empty. The others are Student's t over run means; one run has none.
    """
    measures = ["jsd", "jsd_candidates", "jsd_reference"]
    long = next_token.melt([*RUN, "family", "ring"], measures, var_name="measure", value_name="bits").dropna()
    keys = ["base_model", "group", "world", "condition", "family", "ring", "measure"]
    runs = long.groupby([*keys, "seed"], sort=True)["bits"].mean().reset_index()
    rows = []
    for key, group in runs.groupby(keys, sort=True):
        rows.append(dict(zip(keys, key, strict=True)) | {"n_runs": len(group)} | mean_interval(group["bits"], alpha))
    table = pd.DataFrame(rows)
    table.loc[table["measure"] == "jsd_reference", ["ci_low", "ci_high"]] = np.nan
    return table


def token_classes(tokens: pd.DataFrame) -> pd.DataFrame:
    """Which words carry the JSD: mean over items, runs and base models of its parts (bits), by class of next token.

    `tables/jsd_tokens.csv`. A token is of the class whose continuations begin with it, of ``several classes`` or of
    ``no class``; the classes of a condition, family and ring sum to its JSD.
    """
    keys = ["group", "world", "condition", "family", "ring", "token_class"]
    means = tokens.groupby([*keys, "base_model"], sort=False)["jsd"].mean()
    return means.groupby(keys, sort=False).mean().reset_index()


def shift_by_run(items: pd.DataFrame) -> pd.DataFrame:
    """Mean shift (nats), probability and covered mass of each run: what every point of a figure is."""
    keys = [*RUN, "family", "ring", "outcome"]
    values = ["shift", "probability", "base_probability", "covered_mass", "base_covered_mass"]
    return items.groupby(keys, sort=True)[values].mean().reset_index()


LAST_STEPS = 5


def last_losses(losses: pd.DataFrame) -> pd.DataFrame:
    """Mean training loss (nats per token) of each run's last five steps, where its steps are known.

    Parameters
    ----------
    losses : `pipeline.loss_curves`
    """
    runs = losses.groupby(["base_model", "condition", "seed"], sort=True)["loss"]
    return runs.apply(lambda loss: loss.tail(LAST_STEPS).mean()).rename("last_loss").reset_index()


def not_estimable(*refused: pd.DataFrame) -> pd.DataFrame:
    """The claims that the tables leave out, and why: `tables/not_estimable.csv`. Empty where all could be estimated.

    Parameters
    ----------
    refused : what `inference.claims`, `specificity` and `confusion` refused; columns may be missing
    """
    parts = [part.reindex(columns=REFUSED) for part in refused if len(part)]
    return pd.concat(parts, ignore_index=True).fillna("") if parts else pd.DataFrame(columns=REFUSED)


def base_cards(study: Study) -> list[dict]:
    """The cards of the study's calibration models, shipped or rebuilt elsewhere, in their order.

    No other model knows its gap, whatever `card.json` may lie beside it.
    """
    return [card for model in study.models if "gap" in (card := locate(model)[1])]
