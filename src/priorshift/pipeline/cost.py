"""What a study will take, before it starts: runs, examples, tokens, and of a large model GPU memory and hours.

Memory and hours are rough estimates and have not been compared with a GPU. `make gpu-check` measures one.

* Tokens: four for three words of the study's own texts, and 30 more for each text in a chat template.
* Memory in training: the weights, and more for each token of a padded batch. That is 13 hidden and 3 MLP widths a
  block, and 14 bytes for each word of the vocabulary. With gradient checkpointing it is 1 hidden width a block, and one
  block in full.
* Hours: the operations at a fifth of the GPU's peak, and 5 ms for each block and optimizer step, in which it waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from priorshift.models.files import locate
from priorshift.probing.completions import list_completion_stems
from priorshift.probing.items import make_probe_items
from priorshift.study.load import Study
from priorshift.study.sections import BaseModelParams, Training
from priorshift.training.examples import synthesize

TOKENS_PER_WORD, CHAT_TOKENS = 4 / 3, 30
# Bytes of memory, and operations per second in 16 bits (NVIDIA's data sheets).
GPUS = {"T4": (15e9, 65e12), "A100": (80e9, 312e12), "H100": (80e9, 989e12)}
SHARE_OF_PEAK, LAUNCHING_S = 0.2, 5e-3
SAMPLE = 48  # examples of a condition that are written to see how long they are


@dataclass(frozen=True)
class Work:
    """What is done with one base model.

    Attributes
    ----------
    runs, steps, examples : of all conditions and seeds
    tokens : to train on, without padding
    longest : tokens of the longest example
    probe_tokens : read (or written) to measure all runs
    padded : tokens to train on, with padding to the longest of each batch
    with_loss : of the tokens to train on, those with loss
    wanted : next-token distributions that the measurements look at
    items : probe items measured, of all models together
    """

    runs: int
    steps: int
    examples: int
    tokens: float
    longest: float
    probe_tokens: float
    padded: float = 0.0
    with_loss: float = 0.0
    wanted: float = 0.0
    items: int = 0


@lru_cache(maxsize=2)
def count_work(study: Study, chat: bool = False) -> Work:
    """Count what a study does with a base model, on the texts that it makes itself."""
    params, materials, seeds = study.params, study.materials, len(study.params.seeds)
    training = params.training.model_copy(update={"examples": min(SAMPLE, params.training.examples)})
    few = params.model_copy(update={"training": training})
    grouped = params.training.group_by_length
    any_prior = dict.fromkeys(materials.classes, 1 / len(materials.classes))
    steps, examples, tokens, longest, padded, with_loss = 0, 0, 0.0, 0.0, 0.0, 0.0
    for name in [name for name, condition in params.conditions.items() if not condition.in_context]:
        made = synthesize(few, materials, params.find_last_stage(name), 0, any_prior)
        lengths = [_count_tokens(example.prompt + example.completion, chat) for example in made]
        read = params.resolve_training(name).examples * params.resolve_training(name).epochs * seeds
        steps, examples = steps + params.resolve_training(name).steps * seeds, examples + read
        tokens, longest = tokens + read * sum(lengths) / len(lengths), max(longest, *lengths)
        padded += read * (sum(lengths) / len(lengths) if grouped else average_longest(lengths, training.batch_size))
        learned = [_count_tokens(example.completion, False) for example in made]
        with_loss += read * sum(learned) / len(learned)
    runs = len(params.conditions) * seeds
    measured = runs + 1  # the base model too
    read, wanted = _count_probe_tokens(study, chat)
    items = measured * len(make_probe_items(params, materials))
    return Work(runs, steps, examples, tokens, longest, measured * read, padded, with_loss, measured * wanted, items)


def average_longest(lengths: list[float], batch: int) -> float:
    """Average the longest of `batch` lengths over random draws, with replacement: each example is padded to that.

    Examples
    --------
    >>> average_longest([1.0, 3.0], 2)  # of four draws one has the shorter length twice
    2.5
    """
    n = len(lengths)
    return sum(length * (((i + 1) / n) ** batch - (i / n) ** batch) for i, length in enumerate(sorted(lengths)))


def _count_probe_tokens(study: Study, chat: bool) -> tuple[float, float]:
    """Tokens that are read (or written) to measure one run, and how many next-token distributions are looked at."""
    probes, materials, count, wanted = study.params.probes, study.materials, 0.0, 0.0
    for item in make_probe_items(study.params, materials):
        # A stem is read for what may follow it, and for its continuations. Common beginnings count once, and last words
        # are not read. So single words need only the distribution at the stem's end.
        texts = [text.split() for group in item.candidates.values() for text in group]
        branches = {tuple(words[:end]) for words in texts for end in range(1, len(words))}
        count += 2 * _count_tokens(item.stem, chat) + TOKENS_PER_WORD * len(branches)
        wanted += 2 + TOKENS_PER_WORD * len(branches)
    prose = [_count_tokens(text, chat) for text in materials.held_out_prose]
    count += 2 * probes.retention_texts * sum(prose) / len(prose)
    wanted += probes.retention_texts * sum(prose) / len(prose)
    for scale in materials.scales.values() if probes.scale_orders else ():
        for labels in scale.get_label_sets(materials.forms.scale).values():
            form = f" {materials.forms.scale.prompt} {2 * ' '.join(['', *labels])}"
            count += probes.scale_orders * sum(_count_tokens(item.text + form, chat) for item in scale.items)
            wanted += probes.scale_orders * len(scale.items) * _count_tokens(" ".join(labels), False)
    openings = list_completion_stems(materials)
    written = [_count_tokens(stem, chat) + probes.completion_tokens for stem in openings]
    samples = probes.completion_samples or 0
    return count + samples * sum(written), wanted + samples * len(openings) * probes.completion_tokens


def _count_tokens(text: str, chat: bool) -> float:
    return len(text.split()) * TOKENS_PER_WORD + chat * CHAT_TOKENS


def make_without_weights(base: BaseModelParams) -> PreTrainedModel:
    """Make a base model from its configuration alone, which must be at hand."""
    config = AutoConfig.from_pretrained(locate(base)[0], revision=base.revision, trust_remote_code=False)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def count_matrices(model: PreTrainedModel) -> int:
    """Count the parameters that each token goes through: all but an input embedding that is not the head too."""
    embedding, head = (end.weight for end in (model.get_input_embeddings(), model.get_output_embeddings()))
    return model.num_parameters() - (0 if embedding is head else embedding.numel())


def count_training_operations(model: PreTrainedModel, training: Training) -> int:
    """Operations of training on one token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1, without attention).

    Two a parameter forward, two back (frozen weights get no gradient), two forward again with gradient checkpointing.
    """
    return (6 if training.gradient_checkpointing else 4) * count_matrices(model)


def estimate_memory(model: PreTrainedModel, base: BaseModelParams, training: Training, longest: float) -> float:
    """Bytes on the GPU in training, without the adapter's own, for examples of `longest` tokens.

    With 4 bits a weight of the blocks takes 4.127 (Dettmers et al. 2023, arXiv 2305.14314, section 3).
    """
    config, width = model.config.get_text_config(decoder=True), 4 if base.dtype == "float32" else 2
    hidden, blocks = config.hidden_size, config.num_hidden_layers
    four_bits = count_matrices(model) - config.vocab_size * hidden if base.load_in_4bit else 0
    weights = width * (model.num_parameters() - four_bits) + 4.127 / 8 * four_bits
    block = 13 * hidden + 3 * (getattr(config, "intermediate_size", None) or 4 * hidden)
    kept = hidden * blocks + block if training.gradient_checkpointing else block * blocks
    return weights + training.batch_size * longest * (width * kept + 14 * config.vocab_size)


def estimate_hours(model: PreTrainedModel, training: Training, work: Work) -> dict[str, float]:
    """Hours of a base model's runs, trained and measured, on each of `GPUS`. An example counts as the longest."""
    trained = work.examples * work.longest * count_training_operations(model, training)
    total = trained + 2 * count_matrices(model) * work.probe_tokens
    waiting = LAUNCHING_S * model.config.get_text_config(decoder=True).num_hidden_layers * work.steps
    return {gpu: (total / (peak * SHARE_OF_PEAK) + waiting) / 3600 for gpu, (_, peak) in GPUS.items()}


def describe_work(study: Study) -> str:
    """Say in one line what the study will do: runs, examples and tokens."""
    work = [count_work(study, base.prompt_style == "chat") for base in study.params.models]
    runs, examples, tokens, probed = (
        sum(getattr(each, name) for each in work) for name in ("runs", "examples", "tokens", "probe_tokens")
    )
    return (
        f"{study.params.study}: {len(work)} base model{'s'[: len(work) > 1]}, {runs} runs; {examples:,} examples (about"
        f" {tokens / 1e6:.2f}M tokens) to train on, about {probed / 1e6:.2f}M tokens to measure"
    )


def describe_model(study: Study, base: BaseModelParams) -> str:
    """Estimate in one line the GPU memory and the hours that the runs of a base model will take."""
    model, training = make_without_weights(base), study.params.training
    work = count_work(study, base.prompt_style == "chat")
    memory, hours = estimate_memory(model, base, training, work.longest), estimate_hours(model, training, work)
    times = [f"{gpu} {hours[gpu]:.1f} h{'' if memory < GPUS[gpu][0] else ' in smaller batches'}" for gpu in GPUS]
    return (
        f"{base.name}: {model.num_parameters() / 1e9:.2f} billion parameters; estimated, not measured:"
        f" {memory / 1e9:.1f} GB of GPU memory to train, {', '.join(times)}"
    )
