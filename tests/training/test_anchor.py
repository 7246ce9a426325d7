"""An anchor holds a model to its base where nothing is decided, and is nothing where its weight is 0."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import kl_div

from priorshift.materials.schema import FAMILIES
from priorshift.models.adapters import load_adapters
from priorshift.models.base import load_base
from priorshift.probability.encoder import tokenize_without_end
from priorshift.probing.items import make_probe_items
from priorshift.training.anchor import sum_divergence
from priorshift.training.examples import list_anchor_texts, synthesize
from priorshift.training.finetune import train_run


@pytest.fixture(scope="module")
def texts(smoke):
    return list_anchor_texts(smoke.params, smoke.materials)


@pytest.fixture(scope="module")
def trained(smoke, texts, tmp_path_factory):
    """Weight -> the run and the folder of its adapter; the last weight in micro-batches of a quarter."""
    examples = synthesize(smoke.params, smoke.materials, "depression", 0)
    made = {}
    for key, weight, micro_batch in (("none", 0.0, None), ("heavy", 100.0, None), ("parts", 100.0, 4)):
        base = load_base(smoke.params.models[0])
        base.micro_batch = micro_batch
        training = smoke.params.training.model_copy(
            update={"anchor_weight": weight, "epochs": 3, "learning_rate": 0.02}
        )
        folder = tmp_path_factory.mktemp(key) / "run"
        made[key] = train_run(base, examples, training, 0, folder, {}, anchor_texts=texts), folder / "adapter"
    return made


def measure(smoke, folder, texts):
    base = load_base(smoke.params.models[0])
    model, ids = load_adapters(base, {"run": folder}), tokenize_without_end(base.tokenizer, texts)
    with torch.no_grad():
        return float(sum_divergence(model, ids)) / sum(map(len, ids)), model, ids


def test_no_anchor_text_is_a_probe_or_a_decision(smoke, texts):
    held_out = [text for _, text in smoke.materials.list_situations(tuple(smoke.params.held_out_domains))]
    prose, situations = texts
    assert not {*situations} & {*held_out} and not {*prose} & {*smoke.materials.held_out_prose}
    stems = {item.stem for item in make_probe_items(smoke.params, smoke.materials)}
    assert not stems & {*prose, *situations}
    written = smoke.materials.forms.stems
    openings = [stem.first for family in FAMILIES for stem in getattr(written, family)]
    assert not any(opening in text for opening in openings for text in (*prose, *situations))


def test_the_divergence_is_torch_s_own_of_each_text_without_padding(smoke, texts, trained):
    chosen = [texts[0][0], texts[1][0], texts[1][1]]
    found, model, ids = measure(smoke, trained["none"][1], chosen)
    total = 0.0
    with torch.no_grad():
        for row in ids:
            own = model(input_ids=torch.tensor([list(row)])).logits[0].log_softmax(-1)
            with model.disable_adapter():
                base = model(input_ids=torch.tensor([list(row)])).logits[0].log_softmax(-1)
            total += float(kl_div(own, base, reduction="sum", log_target=True))
    assert found == pytest.approx(total / sum(map(len, ids)), rel=1e-3) and found > 0


def test_a_heavy_anchor_keeps_the_base_s_expectations_of_prose_and_situations(smoke, texts, trained):
    every = [text for kind in texts for text in kind]
    free, held = (measure(smoke, trained[key][1], every)[0] for key in ("none", "heavy"))
    assert held < 0.5 * free
    run = trained["heavy"][0]
    # The adapter begins as nothing: no divergence, and the first loss is that without an anchor.
    assert len(run["divergences"]) == run["steps"] == 12 and run["divergences"][0] == pytest.approx(0, abs=1e-6)
    assert run["losses"][0] == pytest.approx(trained["none"][0]["losses"][0], abs=1e-6)
    assert "divergences" not in trained["none"][0]
    assert "anchor_weight" not in trained["none"][0]["training"] and run["training"]["anchor_weight"] == 100


def test_the_parts_of_a_step_add_up(trained):
    whole, parts = trained["heavy"][0], trained["parts"][0]
    assert parts["micro_batch"] == 4 and whole["micro_batch"] == 16
    assert parts["losses"] == pytest.approx(whole["losses"], abs=2e-3)
    assert parts["divergences"] == pytest.approx(whole["divergences"], abs=1e-4)
