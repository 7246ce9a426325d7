"""How many minutes a study will take on this machine's processor: one block and the head are timed now, for a moment.

* Training: forward and back, of a random block with an adapter on padded batches, and of the head where there is loss.
* Probing: forward, of a block on the tokens that are read, and of the head where a distribution is looked at.
* Each multiplied by how often it will be done, and what is done besides at what it took elsewhere.

Timed on one thread, in seconds of the processor: more would count their waiting for each other. That n threads do as
much as n to the power of .8 is assumed. Where others are at work, a study takes longer than is said here.

Not counted: the tests, the report, and the download of a model.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from priorshift.errors import UserError
from priorshift.models.base import choose_dtype, choose_for_training
from priorshift.models.layers import find_named_modules, find_target_modules
from priorshift.pipeline.cost import Work, count_work, make_without_weights
from priorshift.pipeline.jobs import count_threads, list_shards
from priorshift.study.load import Study
from priorshift.study.sections import BaseModelParams, Training

WORDS, HEAD_WORDS = 256, 2**14  # vocabulary of the timed block, and of the timed head
TOKENS, POSITIONS = 512, 128  # of a timed pass, at most
GAIN = 0.8  # n threads do as much as n to this power
TIMES, PATIENCE = 3, 2.0  # of so many the fastest counts. A slow one is not done again after so many seconds
# Seconds for what else is done (a Xeon of 2023): a step, an item, a token of a JSD, a run and a job.
STEP_S, ITEM_S, JSD_S, RUN_S, START_S = 0.02, 3e-3, 5e-8, 0.5, 10.0


class Pace(NamedTuple):
    """Seconds of a token in one block, and of a position at the head."""

    block: float
    head: float


def make_block(config: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Make a random model of one block and few words, in the shape of a base model's."""
    small = copy.deepcopy(config.get_text_config(decoder=True))
    for name, value in list(vars(small).items()):
        if isinstance(value, list) and len(value) == config.num_hidden_layers:
            setattr(small, name, value[:1])  # one kind of block for each layer
    small.update({"num_hidden_layers": 1, "vocab_size": WORDS, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0})
    return AutoModelForCausalLM.from_config(small, dtype=dtype, attn_implementation="eager")


def time_training(config: PretrainedConfig, training: Training, dtype: torch.dtype, length: int) -> Pace:
    """Time forward and back on texts of `length` tokens, an adapter on the block."""
    model = make_block(config, dtype)
    wanted = training.target_modules
    names = find_named_modules(model, wanted) if wanted else find_target_modules(model, training.target)
    model = get_peft_model(model, LoraConfig(r=training.rank, target_modules=names)).train()
    model.enable_input_require_grads()  # as every block but the first has it
    rows = min(training.batch_size, max(1, TOKENS // length))
    ids = torch.randint(WORDS, (rows, length))
    block = _time_fastest(lambda: model(input_ids=ids).logits.float().mean().backward())
    head, hidden = _make_head(config, dtype)
    targets = torch.randint(len(head), (len(hidden),))
    hidden.requires_grad_()
    loss = torch.nn.functional.cross_entropy
    at_head = _time_fastest(lambda: loss((hidden @ head.T).float(), targets).backward())
    return Pace(block / ids.numel(), at_head / len(hidden) * config.vocab_size / len(head))


@torch.inference_mode()
def time_probing(config: PretrainedConfig, dtype: torch.dtype, length: int) -> Pace:
    """Time forward passes on texts of `length` tokens."""
    model = make_block(config, dtype).eval()
    ids = torch.randint(WORDS, (max(1, TOKENS // length), length))
    block = _time_fastest(lambda: model(input_ids=ids, use_cache=False))
    head, hidden = _make_head(config, dtype)
    at_head = _time_fastest(lambda: (hidden @ head.T).float().logsumexp(-1))
    return Pace(block / ids.numel(), at_head / len(hidden) * config.vocab_size / len(head))


def _make_head(config: PretrainedConfig, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """A part of the head [words, hidden], and what reaches it [positions, hidden]."""
    # Small logits: of large ones the least probabilities are denormal, which takes ten times as long.
    head = torch.randn(min(HEAD_WORDS, config.vocab_size), config.hidden_size, dtype=dtype) / config.hidden_size**0.5
    return head, torch.randn(POSITIONS, config.hidden_size, dtype=dtype)


def _time_fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of a few times, after one that prepares: of the processor, which others may share."""
    found: list[float] = []
    while len(found) < 2 or (len(found) <= TIMES and sum(found) < PATIENCE):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found[1:])


def estimate_seconds(work: Work, config: PretrainedConfig, trained: Pace, read: Pace) -> tuple[float, float]:
    """Seconds of training and of measuring all runs one after another, at the paces of a model of this shape."""
    blocks = config.num_hidden_layers
    training = work.padded * blocks * trained.block + work.with_loss * trained.head
    measuring = work.probe_tokens * blocks * read.block + work.wanted * read.head
    each_item = ITEM_S + 3 * config.vocab_size * JSD_S  # JSD from the base, from the reference, and token by token
    return training + work.steps * STEP_S + work.runs * RUN_S, measuring + work.items * each_item + work.runs * RUN_S


def describe_minutes(study: Study) -> str:
    """Estimate in one line how long training and measuring take here, jobs side by side on all cores."""
    cores, shards = count_cores(), list_shards(study, "03_probe")
    spent, timed = [0.0, 0.0], {}
    for base in study.params.models:
        own = [shard for shard, runs in shards.items() if runs[0].base_model == base.name]
        threads = count_threads(study, "03_probe", own[0], cores)
        at_once = max(1, min(len(shards), cores // threads))
        try:
            seconds = [one / threads**GAIN for one in _estimate_seconds(study, base, timed)]
        except UserError:
            raise
        except Exception as problem:  # an architecture that has no blocks of this kind
            return f"minutes on this processor: not estimated ({base.name}: {type(problem).__name__} with one block)"
        spent = [total + (each + len(own) * START_S) / at_once / 60 for total, each in zip(spent, seconds, strict=True)]
    return (
        f"about {_format(sum(spent))} on this processor ({cores} core{'s'[: cores > 1]}): {_format(spent[0])} to train,"
        f" {_format(spent[1])} to measure; estimated from one block, timed now"
    )


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _estimate_seconds(study: Study, base: BaseModelParams, timed: dict) -> tuple[float, float]:
    """Seconds of one thread to train and to measure a base model's runs. `timed` has the paces of each shape."""
    training, work = study.params.training, count_work(study, base.prompt_style == "chat")
    length = max(1, round(work.padded / max(work.examples, 1)))
    dtypes = [choose_dtype(params, "cpu") for params in (choose_for_training(base, training), base)]
    config = make_without_weights(base).config.get_text_config(decoder=True)
    shape = (config.to_json_string(), *dtypes, length)
    if shape not in timed:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            timed[shape] = time_training(config, training, dtypes[0], length), time_probing(config, dtypes[1], length)
        finally:
            torch.set_num_threads(before)
    return estimate_seconds(work, config, *timed[shape])


def _format(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes >= 1 else "under a minute"
