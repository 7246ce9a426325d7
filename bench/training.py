"""The job of fine-tuning by one backend, through the package's own `train_run`."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.worker import Setting
from priorshift.models.backends import choose_backend
from priorshift.study.sections import BaseModelParams
from priorshift.study.sections import Training as Settings

JOB = "bench.training:Training"
SETTINGS = Settings(
    examples=16, epochs=1, batch_size=16, learning_rate=2e-4, rank=16, alpha=32, dropout=0, target="attention",
    options_share=0,
)  # fmt: skip


@dataclass(frozen=True)
class TrainingSize:
    """A training set of random words, `tokens` of them in each example, the last four in the loss."""

    examples: int
    batch_size: int
    tokens: int


class Training:
    """One backend on one base model, which stays loaded between trainings."""

    def __init__(self, backend: str, setting: Setting) -> None:
        start = time.perf_counter()
        chosen = choose_backend(backend)  # before any import of transformers
        from bench.material import load_tokenizer
        from priorshift.models.base import load_base

        params = BaseModelParams(name=Path(setting.model).name, source=setting.model, dtype=setting.dtype)
        self.base = load_base(params, chosen)
        self.base.tokenizer = load_tokenizer(setting.model)
        self.load_s = time.perf_counter() - start

    def __call__(self, size: TrainingSize, seed: int) -> dict:
        """Train a new adapter; speed, memory, last loss, and what the arithmetic asks of each token."""
        from bench.material import make_items
        from priorshift.pipeline.cost import count_training_operations
        from priorshift.training.examples import Example
        from priorshift.training.finetune import encode_examples, train_run

        words = make_items(self.base.tokenizer, size.examples, size.tokens, 1, seed).stems
        cut = [text.rsplit(" ", 4) for text in words]
        examples = [
            Example(before, "".join(f" {word}" for word in last), "random", "random", "random", -1, "")
            for before, *last in cut
        ]
        settings = SETTINGS.model_copy(update={"examples": size.examples, "batch_size": size.batch_size})
        operations = count_training_operations(self.base.model, settings)  # before an adapter is in the model
        tokens = sum(len(row["input_ids"]) for row in encode_examples(examples, self.base.tokenizer))
        with tempfile.TemporaryDirectory() as folder:
            run = train_run(self.base, examples, settings, seed, Path(folder) / "run", {})
        return {
            **asdict(size),
            "seconds": run["seconds"],
            "tokens_per_s": tokens / run["seconds"],
            "operations_per_token": operations,
            "peak_mb": run["peak_gpu_memory_mb"] or run["peak_memory_mb"],
            "micro_batch": run["micro_batch"],
            "trainable_parameters": run["trainable_parameters"],
            "last_loss": run["losses"][-1],
            "load_s": self.load_s,
        }
