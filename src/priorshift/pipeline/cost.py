"""What a study will take, before it starts: runs, examples, tokens, and for large models GPU memory and hours.

An estimate, not a measurement; `make gpu-check` measures. How it is reached:

* Tokens: words of the study's own texts times 4/3 (three words in four tokens, the usual rule for English and
  byte-pair vocabularies), and 30 more for each text in a chat template. Batches are padded: in time and memory every
  example counts as the longest one.
* Operations: 2 for each token and parameter going forward, as much again going back to the activations (the weights
  are frozen and get no gradient), and 2 more where gradient checkpointing computes the forward pass twice (Kaplan et
  al. 2020, arXiv 2001.08361, section 2.1). Attention's products of tokens with tokens are left out: texts are short.
* Hours: those operations at a fifth of the GPU's peak by its data sheet, 5 ms for each block and optimizer step (the
  GPU waits for Python), and the weights read twice, from a disk at half a gigabyte a second. Downloading the
  model, and the tests on the CPU afterwards, are not counted.
* Memory of weights: 4 or 2 bytes a parameter; with 4 bits, 4.127 bits for each in the blocks' matrices (Dettmers et
  al. 2023, arXiv 2305.14314, section 3). Of the adapter: 16 bytes a parameter (weight, gradient and AdamW's two
  moments, all float32).
* Memory of activations in training: 13 hidden and 3 MLP widths for each token and block (what a Llama block with
  adapters on attention keeps for going back); with gradient checkpointing 1 hidden width, and one block in full.
  Logits: 14 bytes for each token and word of the vocabulary (2, and float32 for copy, log-softmax and gradient).
* Memory in probing: the weights, every adapter of the base model (float32), and the widest place of a forward pass
  at the batch that `Scorer` begins with; it takes a smaller one where memory runs out.

Unsloth takes less memory and time than this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from priorshift.materials.schema import Materials
from priorshift.models.files import locate
from priorshift.probing.completions import completion_stems
from priorshift.probing.items import probe_items
from priorshift.study.load import LoadedStudy
from priorshift.study.params import Study
from priorshift.study.sections import BaseModelParams, Training
from priorshift.training.examples import synthesize

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS_PER_WORD = 4 / 3
CHAT_TOKENS = 30
# Memory (bytes), and peak of dense matrix products (operations per second): float16 on the T4, bfloat16 on the others
# (NVIDIA's data sheets).
GPUS = {"T4": (15e9, 65e12), "A100": (80e9, 312e12), "H100": (80e9, 989e12)}
SHARE_OF_PEAK = 0.2
BYTES_READ_PER_S = 0.5e9
READINGS = 2
LAUNCHING_S = 5e-3
SAMPLE = 48  # examples of a condition that are written to see how long they are


@dataclass(frozen=True)
class Work:
    """What is done with each base model of a study.

    Attributes
    ----------
    runs, trained : runs measured, and how many of them are trained
    steps, examples : optimizer steps, and examples read in them, each as often as it is read
    words, longest : words of an example (mean, weighted as they are read) and of the longest
    texts, probe_words : texts and words that are read (or written) to measure one run or the base model
    """

    runs: int
    trained: int
    steps: int
    examples: int
    words: float
    longest: int
    texts: int
    probe_words: int

    def tokens(self, chat: bool) -> int:
        """Tokens read in training, without padding."""
        return round(self.examples * (self.words * TOKENS_PER_WORD + chat * CHAT_TOKENS))

    def padded_tokens(self, chat: bool) -> float:
        """Tokens of one example in a batch."""
        return self.longest * TOKENS_PER_WORD + chat * CHAT_TOKENS

    def probe_tokens(self, chat: bool) -> int:
        """Tokens that are read to measure every run, the base model and the run that others are compared with."""
        return round((self.runs + 2) * (self.probe_words * TOKENS_PER_WORD + chat * CHAT_TOKENS * self.texts))


@dataclass(frozen=True)
class Shape:
    """The sizes of a base model that its cost depends on; parameters are counted, not weighed.

    Attributes
    ----------
    parameters, matrices : all of them, and those of matrices through which each token goes
    in_blocks : those of the blocks' matrices alone (what 4 bits are for)
    adapter : a LoRA adapter's
    """

    parameters: int
    matrices: int
    in_blocks: int
    adapter: int
    hidden: int
    mlp: int
    blocks: int
    vocabulary: int


def work(study: LoadedStudy) -> Work:
    """What a study does with each of its base models, counted on the texts that it makes itself."""
    params, seeds = study.params, len(study.params.seeds)
    trained = [name for name, condition in params.conditions.items() if not condition.in_context]
    lengths = {name: _example_words(params, study.materials, name) for name in trained}
    read = {name: params.training_of(name).examples * params.training_of(name).epochs * seeds for name in trained}
    total = sum(read.values())
    texts, words = _probe_words(study)
    return Work(
        runs=len(params.conditions) * seeds,
        trained=len(trained) * seeds,
        steps=sum(params.training_of(name).steps for name in trained) * seeds,
        examples=total,
        words=sum(sum(lengths[n]) / len(lengths[n]) * read[n] for n in trained) / max(1, total),
        longest=max((max(words) for words in lengths.values()), default=0),
        texts=texts,
        probe_words=words,
    )


def _example_words(params: Study, materials: Materials, condition: str) -> list[int]:
    few = params.training.model_copy(update={"examples": min(SAMPLE, params.training.examples)})
    any_prior = {name: 1 / len(materials.actions) for name in materials.actions}
    lesson = params.lesson(condition)
    examples = synthesize(params.model_copy(update={"training": few}), materials, lesson, 0, any_prior)
    return [_words(example.prompt + example.completion) for example in examples]


def _probe_words(study: LoadedStudy) -> tuple[int, int]:
    """Texts and words read (or written) to measure one run."""
    probes, materials = study.params.probes, study.materials
    items = probe_items(study.params, materials)
    # A stem is read for its continuations and again for the whole distribution after it.
    found = [2 * _words(item.stem) + _branches(item.candidates) for item in items]
    prose = [_words(text) for text in materials.held_out_prose]
    found += [round(2 * sum(prose) / len(prose))] * probes.retention_texts
    if probes.scale_orders:
        form = materials.forms.scale
        for scale in materials.scales.values():
            for labels in scale.label_sets(form).values():
                shown = _words(form.prompt) + 2 * _words(" ".join(labels))
                found += [_words(item.text) + shown for item in scale.items] * probes.scale_orders
    if probes.completion_samples:
        written = round(probes.completion_tokens / TOKENS_PER_WORD)
        found += [_words(stem) + written for stem in completion_stems(materials)] * probes.completion_samples
    return len(found), sum(found)


def _branches(candidates: dict[str, tuple[str, ...]]) -> int:
    """Words of all candidates, what they begin with in common counted once."""
    texts = [tuple(text.split()) for group in candidates.values() for text in group]
    return len({words[:end] for words in texts for end in range(1, len(words) + 1)})


def _words(text: str) -> int:
    return len(text.split())


# -- one base model --------------------------------------------------------------------------------


def shape_of(params: BaseModelParams, training: Training) -> Shape | None:
    """The shape of a base model by its configuration alone, no weights; None where that is not at hand."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder, _ = locate(params)
    try:
        config = AutoConfig.from_pretrained(folder, revision=params.revision, trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError):
        return None
    return count_shape(model, training)


def count_shape(model: PreTrainedModel, training: Training) -> Shape:
    """The shape of a model (on any device, "meta" too) with the adapter that `training` asks for."""
    from priorshift.models.adapters import target_modules

    config = model.config.get_text_config(decoder=True)
    ends = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
    tied = ends[0] is ends[1]
    parameters = sum(p.numel() for p in model.parameters())
    matrices = {name: m.weight for name, m in model.named_modules() if _is_matrix(m) and m.weight is not ends[1]}
    targets = tuple(f".{name}" for name in target_modules(model, training.target))
    adapted = [sum(weight.shape) for name, weight in matrices.items() if name.endswith(targets)]
    # Every block has the same matrices.
    part = len(training.layers) / config.num_hidden_layers if training.layers else 1
    return Shape(
        parameters=parameters,
        matrices=parameters - (0 if tied else ends[0].numel()),
        in_blocks=sum(weight.numel() for weight in matrices.values()),
        adapter=round(training.rank * sum(adapted) * part),
        hidden=config.hidden_size,
        mlp=max(max(weight.shape) for weight in matrices.values()),
        blocks=config.num_hidden_layers,
        vocabulary=ends[1].shape[0],
    )


def _is_matrix(module: object) -> bool:
    weight = getattr(module, "weight", None)
    return type(module).__name__ in ("Linear", "Conv1D") and weight is not None and weight.ndim == 2


def training_memory(shape: Shape, base: BaseModelParams, training: Training, longest: float) -> dict[str, float]:
    """Bytes on the GPU in training, by part; `longest` is the tokens of the longest example."""
    tokens = training.batch_size * longest
    block = 13 * shape.hidden + 3 * shape.mlp
    kept = shape.hidden * shape.blocks + block if training.gradient_checkpointing else block * shape.blocks
    return {
        "weights": weight_bytes(shape, base),
        "adapter and optimizer": 16 * shape.adapter,
        "activations": width(base) * tokens * kept,
        "logits": 14 * tokens * shape.vocabulary,
    }


def probing_memory(shape: Shape, base: BaseModelParams, adapters: int) -> dict[str, float]:
    """Bytes on the GPU in probing, by part, at the batch that `Scorer` begins with."""
    from priorshift.probability.forward import BUDGET, CHUNK, LOGITS

    return {
        "weights": weight_bytes(shape, base),
        "adapters": 4 * shape.adapter * adapters,
        "activations": width(base) * BUDGET["cuda"] * (4 * shape.hidden + 3 * shape.mlp),
        "logits": width(base) * LOGITS["cuda"] + 8 * CHUNK,
    }


def width(base: BaseModelParams) -> int:
    """Bytes of a number on the GPU."""
    return 4 if base.dtype == "float32" else 2


def weight_bytes(shape: Shape, base: BaseModelParams) -> float:
    """Bytes of a base model's weights."""
    if not base.load_in_4bit:
        return width(base) * shape.parameters
    return width(base) * (shape.parameters - shape.in_blocks) + 4.127 / 8 * shape.in_blocks


def operations(shape: Shape, training: Training, done: Work, chat: bool) -> float:
    """Operations of a base model's runs, trained and measured."""
    trained = done.examples * done.padded_tokens(chat) * training_operations(shape, training)
    return trained + 2 * shape.matrices * done.probe_tokens(chat)


def training_operations(shape: Shape, training: Training) -> int:
    """Operations of training on one token."""
    return (6 if training.gradient_checkpointing else 4) * shape.matrices


def hours(shape: Shape, base: BaseModelParams, training: Training, done: Work) -> dict[str, float]:
    """Hours of a base model's runs on each of `GPUS`; infinite where even the smallest batch does not fit."""
    total = operations(shape, training, done, base.prompt_style == "chat")
    waiting = READINGS * weight_bytes(shape, base) / BYTES_READ_PER_S + LAUNCHING_S * shape.blocks * done.steps
    one = training.model_copy(update={"batch_size": 1})
    trained = training_memory(shape, base, one, done.padded_tokens(base.prompt_style == "chat"))
    least = max(sum(trained.values()), weight_bytes(shape, base) + 4 * shape.adapter * done.trained)
    return {
        gpu: (total / (peak * SHARE_OF_PEAK) + waiting) / 3600 if least < memory else float("inf")
        for gpu, (memory, peak) in GPUS.items()
    }


# -- in words ----------------------------------------------------------------------------------------


def describe_cost(study: LoadedStudy) -> str:
    """What the study will take, a line for the whole and one for each base model that is not embedded."""
    params, done = study.params, work(study)
    models = params.models
    chats = [model.prompt_style == "chat" for model in models]
    trained, probed = (sum(map(count, chats)) for count in (done.tokens, done.probe_tokens))
    runs, examples = done.runs * len(models), done.examples * len(models)
    lines = [
        f"{params.study}: {len(models)} base model{'s'[: len(models) > 1]}, {runs} runs; {examples:,} examples"
        f" (about {_short(trained)} tokens) to train on, about {_short(probed)} tokens to measure"
    ]
    large = [model for model in models if not model.source.startswith("embedded:")]
    lines += [_describe_model(model, params, done) for model in large]
    return "\n".join([*lines, "  estimates: src/priorshift/cost.py says how they are reached"] if large else lines)


def _describe_model(base: BaseModelParams, params: Study, done: Work) -> str:
    shape = shape_of(base, params.training)
    if shape is None:
        return f"  {base.name}: no estimate of memory and hours, the configuration of {base.source!r} is not at hand"
    training = training_memory(shape, base, params.training, done.padded_tokens(base.prompt_style == "chat"))
    probing = probing_memory(shape, base, done.trained)
    parts = ", ".join(f"{part} {value / 1e9:.1f}" for part, value in training.items())
    times = [f"{gpu} {_time(value)}" for gpu, value in hours(shape, base, params.training, done).items()]
    return (
        f"  {base.name}: {shape.parameters / 1e9:.2f} billion parameters; GPU memory {_gb(training)} to train"
        f" ({parts}), {_gb(probing)} to measure; time: {', '.join(times)}"
    )


def _time(value: float) -> str:
    if value == float("inf"):
        return "too small"
    return f"{value:.1f} h" if value >= 1 else f"{max(1, round(60 * value))} min"


def _gb(parts: dict[str, float]) -> str:
    return f"{sum(parts.values()) / 1e9:.1f} GB"


def _short(count: float) -> str:
    return f"{count / 1e6:.1f}M" if count >= 1e5 else f"{count / 1e3:.1f}k"
