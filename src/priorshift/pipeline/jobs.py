"""How the grid is cut into jobs: each notebook's shards, and what each waits for.

A job executes a notebook on one shard of the study's runs, named as the folders of its results are. "" is the whole
study, "<base model>" that model's runs, and "<base model>/<condition>/seed-<seed>" one run.
"""

from __future__ import annotations

import shlex

from priorshift.pipeline.records import choose_reference_run, is_trained
from priorshift.study.load import Study
from priorshift.study.run import Run

BY_MODEL = ("02_train", "03_probe")
RUN_MODELS = ("01_synthesize", *BY_MODEL)


def list_shards(study: Study, notebook: str) -> dict[str, list[Run]]:
    """List the shards of a notebook, in order, with the runs that each works on.

    Where each run is a shard, those that train nothing have none in 02_train: there is nothing to show.
    """
    runs = study.select("all", "all", "all")
    if notebook not in BY_MODEL:
        return {"": runs}
    by_run = study.params.shard == "run"
    found: dict[str, list[Run]] = {}
    for run in runs:
        if not by_run or notebook == "03_probe" or is_trained(study, run):
            found.setdefault(str(run) if by_run else run.base_model, []).append(run)
    return found


def list_adapters_read(study: Study, run: Run, notebook: str) -> list[Run]:
    """List the runs whose adapters a notebook reads for a run: to train on from there, or to measure."""
    if notebook == "02_train":
        earlier = study.params.find_start(run.condition)
        return [run._replace(condition=earlier)] if earlier else []
    if not is_trained(study, run):
        return []
    reference = choose_reference_run(study, run.base_model)
    return list(dict.fromkeys([run, reference] if reference else [run]))


def list_shards_before(study: Study, notebook: str) -> dict[str, list[str]]:
    """For each shard of 02_train or 03_probe, list the shards of 02_train that must be finished before it."""
    shard_of = {run: shard for shard, runs in list_shards(study, "02_train").items() for run in runs}
    before = {}
    for shard, runs in list_shards(study, notebook).items():
        needed = dict.fromkeys(shard_of[each] for run in runs for each in list_adapters_read(study, run, notebook))
        before[shard] = [each for each in needed if (notebook, each) != ("02_train", shard)]
    return before


def count_threads(study: Study, notebook: str, shard: str, cores: int) -> int:
    """Count the threads of a job: its share of this machine's cores, where its notebook has fewer jobs than those.

    Only jobs that run hub models on the processor get a share. Embedded models are too small to gain by it, and
    with one thread their results are the same in bits on every number of cores. So are tests and report.

    Parameters
    ----------
    cores : that the study may use at once
    """
    resources, shards = study.params.resources, list_shards(study, notebook)
    models = {study.params.find_base_model(run.base_model).source for run in shards[shard]}
    embedded = any(source.startswith("embedded:") for source in models)
    if notebook not in RUN_MODELS or embedded or resources.gpus:
        return resources.cpus
    return max(resources.cpus, cores // len(shards))


def format_parameters(shard: str) -> str:
    """Write what papermill is given, so that a notebook works on a shard. It is text, since `025` is a name, no number.

    Examples
    --------
    >>> format_parameters("llama-coupled-0/neutral/seed-1")
    '-r base_model llama-coupled-0 -r condition neutral -r seed 1'
    """
    values = shard.split("/") if shard else []
    values[2:] = [value.removeprefix("seed-") for value in values[2:]]
    return " ".join(f"-r {name} {shlex.quote(value)}" for name, value in zip(Run._fields, values, strict=False))
