"""Pretrain the embedded base models from scratch on the calibration worlds."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from priorshift.files import hash_text, remove, write_json, write_whole
from priorshift.materials.load import hash_materials
from priorshift.models.files import CARD, hash_files, read_card
from priorshift.study.paths import EMBEDDED
from priorshift.worlds.generator import Document, World
from priorshift.worlds.params import Pretraining, WorldParams, load_world_params, load_worlds

# A token is a word or a mark with the space before it, so that text = concatenated tokens.
TOKEN_PATTERN = r" ?[A-Za-z]+(?:[-'][A-Za-z]+)*| ?[^A-Za-z\s]|\s"
SPECIAL = ("<unk>", "<pad>", "<s>", "</s>")
# Texts for training, held-out loss and the vocabulary come from streams of their own.
TRAIN_STREAM, HELD_OUT_STREAM, VOCABULARY_STREAM = 1_000, 900_000, 800_000


def make_tokenizer(world: World, n_texts: int = 20_000) -> PreTrainedTokenizerFast:
    """A word-level tokenizer whose vocabulary is every token of the world's texts."""
    split = pre_tokenizers.Split(Regex(TOKEN_PATTERN), behavior="isolated")
    stream = world.sample(VOCABULARY_STREAM)
    tokens = {token for _ in range(n_texts) for token, _ in split.pre_tokenize_str(next(stream).text)}
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *sorted(tokens)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def make_model(architecture: str, shape: Pretraining, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A model of the architecture with random weights (drawn from torch's global generator)."""
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if architecture == "llama":
        config = LlamaConfig(**common, num_key_value_heads=shape.heads, intermediate_size=3 * shape.hidden)
    else:
        config = GPTNeoXConfig(
            **common, intermediate_size=4 * shape.hidden, rotary_pct=0.5, use_parallel_residual=False
        )
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    world: World,
    shape: Pretraining,
    tokens: int,
    weight_decay: float,
    seed: int,
    report: Callable[[int, float], None],
) -> int:
    """Train in one pass over fresh texts. Returns how many tokens were seen.

    The learning rate warms up and then falls linearly to zero.

    Parameters
    ----------
    tokens : where training ends, at the end of a batch
    report : called every 50 steps with the tokens seen and the loss (nats per token)

    Raises
    ------
    FloatingPointError
        When the loss is not finite.
    """
    optimizers = _make_optimizers(model, shape, weight_decay)
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    seen = 0
    model.train()
    losses = torch.compile(compute_token_losses, dynamic=True) if shape.compile else compute_token_losses
    for step, batch in enumerate(_iterate_batches(world, tokenizer, shape, TRAIN_STREAM + seed), start=1):
        done = seen / tokens
        rate = min(1.0, done / shape.warmup + 1e-2) if done < shape.warmup else (1 - done) / (1 - shape.warmup)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * max(rate, 0.0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = losses(model, batch).sum() / (batch[:, 1:] >= 0).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if not math.isfinite(value := loss.item()):
            raise FloatingPointError(f"loss is {value} after {seen} tokens; lower the learning rates")
        seen += int((batch[:, 1:] >= 0).sum())
        if step % 50 == 0:
            report(seen, value)
        if seen >= tokens:
            break
    model.eval()
    return seen


def _make_optimizers(
    model: PreTrainedModel, shape: Pretraining, weight_decay: float
) -> tuple[torch.optim.Muon, torch.optim.AdamW]:
    """Muon for the matrices inside the blocks, and AdamW for everything else."""
    inner = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    chosen = {id(p) for p in inner}
    outer = [p for p in model.parameters() if id(p) not in chosen]
    return (
        torch.optim.Muon(inner, lr=shape.muon_learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=shape.learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True),
    )


def compute_token_losses(model: PreTrainedModel, batch: torch.Tensor) -> torch.Tensor:
    """Negative logprob (nats) of each next token. `batch` [texts, tokens] padded with -100 at the right."""
    # Padding is at the right only, so that causal attention never sees it and needs no mask.
    logits = model(input_ids=batch.clamp_min(0)).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), batch[:, 1:].flatten(), ignore_index=-100, reduction="none"
    )


def measure_gap(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, world: World, n_texts: int
) -> dict[str, float]:
    """Measure the loss on held-out texts, beside the generator's exact entropy of the same texts.

    Returns
    -------
    dict
        loss, entropy, gap (loss - entropy; all nats per token), held_out_tokens
    """
    stream = world.sample(HELD_OUT_STREAM)
    documents = [next(stream) for _ in range(n_texts)]
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for batch in _pad_batches(_encode(documents, tokenizer), 16_384):
            total += float(compute_token_losses(model, batch).sum())
            tokens += int((batch[:, 1:] >= 0).sum())
    entropy = -sum(world.compute_log_probability(document) for document in documents) / tokens
    return {"loss": total / tokens, "entropy": entropy, "gap": total / tokens - entropy, "held_out_tokens": tokens}


def hash_settings(params: WorldParams, architecture: str, world_name: str) -> str:
    """SHA-256 of the settings of a worlds file that models of one architecture and world depend on."""
    settings = params.model_dump(mode="json", exclude={"materials"})  # a path. Their content has a hash of its own
    shape = settings["pretraining"]
    shape |= {key: shape[key][f"{architecture}-{world_name}"] for key in ("tokens", "weight_decay")}
    shape |= {"architectures": architecture, "worlds": world_name, "seeds": None}
    return hash_text(json.dumps(settings, sort_keys=True))


def hash_inputs(params_path: Path, name: str) -> dict[str, str]:
    """Hash the materials and the settings that a base model (`architecture-world-seed`) is made from."""
    params = load_world_params(params_path)
    architecture, world_name, _ = name.rsplit("-", 2)
    return {
        "materials_hash": hash_materials(params_path.parent / params.materials),
        "worlds_hash": hash_settings(params, architecture, world_name),
    }


def build_model(params_path: Path, name: str, folder: Path, progress: Callable[[str], None] = print) -> dict:
    """Pretrain one base model (`architecture-world-seed`) and write it with its card. Returns the card.

    Parameters
    ----------
    folder : the model's own; it appears whole or not at all
    progress : called with a line of text now and then
    """
    params, materials = load_worlds(params_path)
    architecture, world_name, seed = name.rsplit("-", 2)
    shape = params.pretraining
    world = World(materials, params, coupled=world_name == "coupled")
    tokenizer = make_tokenizer(world)
    kind = f"{architecture}-{world_name}"
    elsewhere = "" if folder.parent == EMBEDDED else f" -p folder {folder.parent}"
    tokens = shape.tokens[kind]
    torch.manual_seed(int(seed))
    model = make_model(architecture, shape, tokenizer)
    start = time.perf_counter()

    def report(seen: int, loss: float) -> None:
        rate = seen / (time.perf_counter() - start)
        progress(f"{name}: {seen:,} of {tokens:,} tokens, loss {loss:.3f}, {rate:,.0f} tokens/s")

    seen = pretrain(model, tokenizer, world, shape, tokens, shape.weight_decay[kind], int(seed), report)
    # What ships is float16: measure what ships.
    model.to(torch.float16).to(torch.float32)
    card = {
        "name": name,
        "architecture": architecture,
        "world": world_name,
        "seed": int(seed),
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens": seen,
        "seconds": round(time.perf_counter() - start),
        **measure_gap(model, tokenizer, world, params.held_out_texts),
        "data": f"texts of priorshift's calibration worlds, generated from {params_path.parent / params.materials}",
        **hash_inputs(params_path, name),
        "rebuild": f"papermill notebooks/00_base_models.ipynb out.ipynb -p worlds {params_path}{elsewhere}"
        f" -p base_model {name} -p rebuild True",
        "license": "MIT",
    }
    for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):
        remove(leftover)  # half-written by a process that was killed
    with write_whole(folder) as temporary:
        model.to(torch.float16).save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        card["hashes"] = hash_files(temporary)
        write_json(temporary / CARD, card)
    return card


def build_models(params_path: Path, names: list[str], rebuild: bool, folder: Path = EMBEDDED) -> None:
    """Build the named models in `folder`, one on each core. Those that are there are kept unless `rebuild`.

    Prints which of those kept were made from other materials or settings than they would be now.
    """
    todo = [name for name in names if rebuild or not (folder / name).is_dir()]
    for name in (name for name in names if name not in todo):
        card = read_card(folder / name)
        if other := [key for key, value in hash_inputs(params_path, name).items() if card.get(key) != value]:
            what = " and ".join(key.removesuffix("_hash") for key in other)
            print(f"{name}: made from other {what}; rebuild by notebook 00 with base_model={name} rebuild=True")
    workers = min(len(todo), os.cpu_count() or 1)
    if not todo:
        return
    # Spawned, not forked: threads of other libraries may hold locks that a fork would keep for ever.
    fresh = get_context("spawn")
    with ProcessPoolExecutor(workers, fresh, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting = [pool.submit(build_model, params_path, name, folder / name) for name in todo]
        for future in as_completed(waiting):
            card = future.result()
            print(f"{card['name']}: gap {card['gap']:.4f} nats/token after {card['tokens']:,} tokens")


def _encode(documents: list[Document], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    ids = tokenizer([document.text for document in documents])["input_ids"]
    return [[*row, tokenizer.eos_token_id] for row in ids]


def _iterate_batches(
    world: World, tokenizer: PreTrainedTokenizerFast, shape: Pretraining, stream: int
) -> Iterator[torch.Tensor]:
    """Endless batches of texts of like length, in random order."""
    documents = world.sample(stream)
    generator = torch.Generator().manual_seed(stream)
    while True:
        rows = _encode([next(documents) for _ in range(4096)], tokenizer)
        batches = _pad_batches(rows, shape.tokens_per_batch)
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[i]


def _pad_batches(rows: list[list[int]], tokens_per_batch: int) -> list[torch.Tensor]:
    """Rows sorted by length into padded batches of about `tokens_per_batch` tokens."""
    groups, group = [], []
    for row in sorted(rows, key=len):
        if group and len(row) * (len(group) + 1) > tokens_per_batch:
            groups.append(group)
            group = []
        group.append(row)
    groups.append(group)
    return [torch.tensor([row + [-100] * (len(group[-1]) - len(row)) for row in group]) for group in groups]
