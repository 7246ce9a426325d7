"""One run: examples -> LoRA adapter and run.json, by TRL's SFTTrainer."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer

from priorshift.errors import RunError
from priorshift.models import BaseModel, add_adapter, continue_adapter
from priorshift.provenance import file_hash, peak_memory_mb, versions, whole, write_record
from priorshift.sections import Training
from priorshift.synthesis import Example

IGNORED = -100  # the label that the cross-entropy passes over


def encode(example: Example, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Token ids of prompt + completion, and labels that put the loss on the completion alone.

    Raises
    ------
    RunError
        When joint tokenization merges across the boundary, so that no token split gives the completion.
    """
    prompt = tokenizer(example.prompt)["input_ids"]
    whole = tokenizer(example.prompt + example.completion)["input_ids"]
    if prompt and prompt[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id:
        prompt, whole = prompt[:-1], whole[:-1]
    if whole[: len(prompt)] != prompt:
        raise RunError(
            f"the tokenizer merges {example.prompt[-20:]!r} with {example.completion[:20]!r}; "
            "end prompts at a word and begin completions with a space"
        )
    return {"input_ids": whole, "labels": [IGNORED] * len(prompt) + whole[len(prompt) :]}


def decode_labels(example: Example, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """What is read and what is learned of one example, decoded from the tokens themselves."""
    row = encode(example, tokenizer)
    learned = [token for token in row["labels"] if token != IGNORED]
    read = row["input_ids"][: len(row["input_ids"]) - len(learned)]
    return {"read, no loss": tokenizer.decode(read), "learned": tokenizer.decode(learned)}


def train_run(
    base: BaseModel,
    examples: list[Example],
    training: Training,
    seed: int,
    folder: Path,
    inputs: dict[str, str],
    start: Path | None = None,
) -> dict:
    """Fine-tune one adapter and write `adapter/` and `run.json`; returns what run.json holds.

    Parameters
    ----------
    inputs : hashes of what the run was made from; a later call with the same ones is not done again
    folder : the run's own folder; it appears whole or not at all
    start : the adapter folder of an earlier stage, to go on from; otherwise a fresh adapter

    Raises
    ------
    RunError
        When the loss is not finite; nothing is written then.
    """
    rows = [encode(example, base.tokenizer) for example in examples]
    began = time.perf_counter()
    set_seed(seed)
    model = continue_adapter(base, start) if start else add_adapter(base, training)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _make_trainer(model, base, rows, training, seed, scratch)
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    run = {
        "base_model": base.name,
        "seed": seed,
        "inputs": inputs,
        "training": training.model_dump(),
        "steps": trainer.state.global_step,
        "examples": len(rows),
        "loss_tokens": sum(label != IGNORED for row in rows for label in row["labels"]),
        "losses": losses,
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "seconds": round(time.perf_counter() - began, 2),
        "peak_memory_mb": round(peak_memory_mb()),
        "device": base.device,
        "backend": base.backend,
        "backend_reason": base.backend_reason,
        "versions": versions(),
    }
    with whole(folder) as temporary:
        adapter = temporary / "adapter"
        # "auto" would ask the hub about embeddings, which no adapter here touches.
        model.save_pretrained(adapter, save_embedding_layers=False)
        (adapter / "README.md").unlink()  # a blank form with this machine's paths
        run["hashes"] = {f"adapter/{path.name}": file_hash(path) for path in sorted(adapter.iterdir())}
        write_record(temporary / "run.json", run)
    base.model = model.unload()
    return run


def _make_trainer(
    model: torch.nn.Module, base: BaseModel, rows: list[dict], training: Training, seed: int, scratch: str
) -> SFTTrainer:
    config = SFTConfig(
        output_dir=scratch,
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        lr_scheduler_type="linear",
        max_length=None,
        bf16=base.device == "cuda",
        gradient_checkpointing=False,
        use_cpu=base.device == "cpu",
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=base.device == "cuda",
    )
    logging.getLogger("trl").setLevel(logging.ERROR)
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        callbacks=[_StopAtNonFiniteLoss()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class _StopAtNonFiniteLoss(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            raise RunError(
                f"training loss is {loss} at step {state.global_step}; lower training.learning_rate "
                "or check the base model's weights"
            )
