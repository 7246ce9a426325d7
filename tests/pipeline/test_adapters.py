"""One adapter: it stands on a whole training set, and is loaded in the number type that the study names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from support.tiny_study import BASE, FAULTS, RUN, changed

from priorshift.errors import RunError
from priorshift.models.backends import choose_backend
from priorshift.pipeline.adapters import load_for_training, train_adapter


@pytest.mark.parametrize("fault", FAULTS)
def test_no_adapter_is_trained_on_a_damaged_training_set(study, fault):
    FAULTS[fault](study.paths.data("neutral", 1) / "train.jsonl")
    with pytest.raises(RunError, match=r"run notebooks/01_synthesize.ipynb"):
        train_adapter(study, SimpleNamespace(), RUN, SimpleNamespace())


@pytest.mark.parametrize(("named", "dtype"), [("bfloat16", torch.bfloat16), (None, torch.float32)])
def test_the_base_model_has_the_number_type_that_training_names(study, monkeypatch, named, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    study = changed(study, training={"base_dtype": named})
    assert load_for_training(study, BASE, choose_backend(study.params.backend)).model.dtype == dtype
