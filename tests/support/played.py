"""A study whose runs can be asked: adapters of random weights, recorded as finished."""

from __future__ import annotations

import torch

from priorshift.files import hash_file, write_record
from priorshift.models.adapters import add_adapter
from priorshift.models.base import load_base
from priorshift.pipeline.records import locate_run_record


def finish_runs(study, wanted, base_model="llama-coupled-0"):
    """Write an adapter and its record for each (condition, seed) that is wanted."""
    params = next(model for model in study.params.models if model.name == base_model)
    for run in study.select(base_model, "all", "all"):
        if (run.condition, run.seed) not in wanted:
            continue
        torch.manual_seed(run.seed)
        model = add_adapter(load_base(params), study.params.training, run.seed)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.5)
        record = locate_run_record(study, run)
        model.save_pretrained(record.parent / "adapter")
        files = [path for path in (record.parent / "adapter").iterdir() if path.is_file()]
        hashes = {path.relative_to(record.parent).as_posix(): hash_file(path) for path in files}
        write_record(record, {"inputs": {}, "hashes": hashes})
