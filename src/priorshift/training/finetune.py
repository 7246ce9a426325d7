"""Fine-tune one run: examples -> a LoRA adapter and run.json, by TRL's SFTTrainer."""

from __future__ import annotations

import gc
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig

from priorshift.errors import RunError
from priorshift.files import hash_file, write_record, write_whole
from priorshift.machine import list_versions, measure_peak_memory_mb
from priorshift.models.adapters import add_adapter, continue_adapter, count_adapted
from priorshift.models.base import BaseModel
from priorshift.models.chat import Reader
from priorshift.probability.encoder import tokenize_without_end
from priorshift.probability.forward import is_out_of_memory
from priorshift.study.sections import Training
from priorshift.training.adapter_card import write_adapter_card
from priorshift.training.anchor import Anchor
from priorshift.training.examples import Example
from priorshift.training.kept_steps import KeptSteps
from priorshift.training.loss_positions import IGNORED
from priorshift.training.trainer import Report, StopAtNonFiniteLoss, Trainer


def encode_examples(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, read: Reader = str
) -> list[dict[str, list[int]]]:
    """Encode each example: its token ids, and labels that put the loss on the completion alone.

    Parameters
    ----------
    read : what the model reads of a prompt (see `models.chat`)

    Raises
    ------
    RunError
        When a token spans the end of a prompt and the start of its completion.
    """
    prompts = [read(example.prompt) for example in examples]
    texts = [prompt + example.completion for prompt, example in zip(prompts, examples, strict=True)]
    before, whole = tokenize_without_end(tokenizer, prompts), tokenize_without_end(tokenizer, texts)
    rows = []
    for example, prompt, ids in zip(examples, before, whole, strict=True):
        if ids[: len(prompt)] != prompt:
            raise RunError(
                f"the tokenizer merges {example.prompt[-20:]!r} with {example.completion[:20]!r}; "
                "end prompts at a word and begin completions with a space"
            )
        rows.append({"input_ids": list(ids), "labels": [IGNORED] * len(prompt) + list(ids[len(prompt) :])})
    return rows


def decode_labels(example: Example, tokenizer: PreTrainedTokenizerBase, read: Reader = str) -> dict[str, str]:
    """Decode what the loss passes over and what it falls on, from the tokens of one example."""
    [row] = encode_examples([example], tokenizer, read)
    learned = [token for token in row["labels"] if token != IGNORED]
    passed_over = row["input_ids"][: len(row["input_ids"]) - len(learned)]
    return {"read, no loss": tokenizer.decode(passed_over), "learned": tokenizer.decode(learned)}


def train_run(
    base: BaseModel,
    examples: list[Example],
    training: Training,
    seed: int,
    folder: Path,
    inputs: dict[str, str],
    start: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
    anchor_texts: Sequence[Sequence[str]] = (),
) -> dict:
    """Fine-tune one adapter and write `adapter/` and `run.json`, and the adapters of `training.kept_steps`.

    Parameters
    ----------
    seed : of the adapter's first weights, the order of the examples and dropout
    folder : the run's own folder; it appears whole or not at all
    inputs : hashes of what the run was made from, for run.json
    start : the adapter folder of an earlier stage, to start from; by default a fresh adapter
    on_step : called after each optimizer step with its number, and that of the last
    anchor_texts : texts of each kind, read where `training.anchor_weight` is not 0 (`examples.list_anchor_texts`)

    Raises
    ------
    RunError
        When the loss is not finite, or memory runs out for a single example. Nothing is written then.
    """
    rows = encode_examples(examples, base.tokenizer, base.read)
    began = time.perf_counter()
    if base.device == "cuda":
        torch.cuda.reset_peak_memory_stats()  # the process may have trained other runs before
    kept = KeptSteps(training.kept_steps or ())
    callbacks = [Report(on_step), kept]
    model, trainer, micro_batch = _fit(base, rows, training, seed, start, callbacks, anchor_texts)
    run = {
        "base_model": base.name,
        "source": base.source,
        "commit": base.commit,
        "seed": seed,
        "inputs": inputs,
        "training": training.model_dump(),
        **_describe_fit(model, trainer, micro_batch, rows),
        "seconds": round(time.perf_counter() - began, 2),
        **_describe_machine(base),
    }
    if trainer.anchor:
        run["divergences"] = trainer.anchor.divergences
    _write_run(folder, base, model, run, examples, kept)
    base.model = model.unload()
    return run


def _describe_fit(model: PeftModel, trainer: Trainer, micro_batch: int, rows: list[dict]) -> dict:
    """What was trained, on how much, and the loss of each step."""
    return {
        "steps": trainer.state.global_step,
        "micro_batch": micro_batch,
        "examples": len(rows),
        "loss_tokens": sum(label != IGNORED for row in rows for label in row["labels"]),
        "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        "adapted": count_adapted(model),
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


def _describe_machine(base: BaseModel) -> dict:
    """What the run was computed with, and the most memory that this process has taken."""
    return {
        "peak_memory_mb": round(measure_peak_memory_mb()),
        "peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20) if base.device == "cuda" else 0,
        "device": base.device,
        "dtype": str(base.model.dtype).removeprefix("torch."),
        "backend": base.backend.name,
        "backend_reason": base.backend.reason,
        "versions": list_versions(),
    }


def _write_run(
    folder: Path, base: BaseModel, model: PeftModel, run: dict, examples: Sequence[Example], kept: KeptSteps
) -> None:
    """Write the adapters, the card and run.json, with the hash of each file."""
    with write_whole(folder) as temporary:
        adapter = temporary / "adapter"
        _save_adapter(model, adapter)
        card = write_adapter_card(run, examples, base.source, base.commit)
        (adapter / "README.md").write_text(card, encoding="utf-8")  # in place of PEFT's, which names local paths
        kept.write(temporary)
        files = sorted(path for path in temporary.glob("adapter*/*"))
        run["hashes"] = {path.relative_to(temporary).as_posix(): hash_file(path) for path in files}
        write_record(temporary / "run.json", run)


def _save_adapter(model: PeftModel, folder: Path) -> None:
    """Write weights and configuration: the same bytes for the same adapter."""
    config = model.peft_config["default"]
    if isinstance(config.target_modules, set):  # its order differs between processes, and so would the file
        config.target_modules = sorted(config.target_modules)
    # "auto" would ask the hub about embeddings, which no adapter here touches.
    model.save_pretrained(folder, save_embedding_layers=False)


def _fit(
    base: BaseModel,
    rows: list[dict],
    training: Training,
    seed: int,
    start: Path | None,
    callbacks: Sequence[TrainerCallback],
    anchor_texts: Sequence[Sequence[str]],
) -> tuple[PeftModel, Trainer, int]:
    """Train in the largest micro-batch that memory holds: it changes, the optimizer's step does not.

    Where memory runs out, the run begins again with half of it. The base model's later runs begin there too.
    """
    while True:
        micro_batch = _find_largest_divisor(training.batch_size, base.micro_batch or training.batch_size)
        set_seed(seed)
        model = continue_adapter(base, start) if start else add_adapter(base, training, seed)
        with tempfile.TemporaryDirectory() as scratch:
            trainer = _make_trainer(model, base, rows, training, seed, scratch, micro_batch)
            for callback in callbacks:
                trainer.add_callback(callback)
            if weight := training.anchor_weight:
                sizes = (training.batch_size, micro_batch)
                trainer.anchor = Anchor(base.tokenizer, base.read, anchor_texts, weight, *sizes, seed)
            if _train(trainer):
                return model, trainer, micro_batch
        base.model = model.unload()
        del trainer, model
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if micro_batch == 1:
            raise RunError(
                f"{base.name}: out of memory with one example at a time; set training.gradient_checkpointing or "
                "load_in_4bit, or take a smaller model or a larger device"
            )
        base.micro_batch = micro_batch // 2


def _find_largest_divisor(number: int, most: int) -> int:
    return max(n for n in range(1, min(number, most) + 1) if number % n == 0)


def _train(trainer: Trainer) -> bool:
    """Whether training ended. False where memory ran out."""
    try:
        trainer.train()
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _make_config(base: BaseModel, training: Training, seed: int, scratch: str, micro_batch: int) -> SFTConfig:
    return SFTConfig(
        output_dir=scratch,
        num_train_epochs=training.epochs,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=training.batch_size // micro_batch,
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        lr_scheduler_type="linear",
        # Named, or Unsloth takes 8-bit AdamW and packs a batch into one row on CUDA: both backends train alike.
        optim="adamw_torch_fused",
        padding_free=False,
        # Of a mixed batch a quarter can be padding. The committed results are from CPUs, whose order stays.
        train_sampling_strategy="group_by_length" if training.group_by_length or base.device == "cuda" else "random",
        max_length=None,
        bf16=base.device == "cuda" and base.model.dtype == torch.bfloat16,
        fp16=base.device == "cuda" and base.model.dtype == torch.float16,
        gradient_checkpointing=training.gradient_checkpointing,
        use_cpu=base.device == "cpu",
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=base.device == "cuda",
    )


def _make_trainer(
    model: PeftModel,
    base: BaseModel,
    rows: list[dict],
    training: Training,
    seed: int,
    scratch: str,
    micro_batch: int,
) -> Trainer:
    config = _make_config(base, training, seed, scratch, micro_batch)
    # Unsloth has a way of its own, and of several GPUs in one process each would get a part of the batch.
    only_loss_positions = base.backend.name == "peft" and torch.cuda.device_count() < 2
    if only_loss_positions:
        # TRL's own way leaves out how some architectures scale their logits (Granite). Here the model does it.
        config.loss_type = "nll"
    logging.getLogger("trl").setLevel(logging.ERROR)
    trainer = Trainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        callbacks=[StopAtNonFiniteLoss()],
    )
    trainer.head = model.get_output_embeddings() if only_loss_positions else None
    trainer.remove_callback(PrinterCallback)
    if getattr(model, "is_loaded_in_4bit", False):
        # The trainer casts 4-bit models' adapters to bfloat16, which float16's scaled gradients do not take.
        for parameter in model.parameters():
            parameter.data = parameter.data.float() if parameter.requires_grad else parameter.data
    return trainer
