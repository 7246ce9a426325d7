"""Base models and their adapters: embedded, local directory or hub id -> model, tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as hf_logging

from priorshift.errors import ParamsError, RunError
from priorshift.models.backends import MEASURING, Backend, unsloth_module
from priorshift.models.chat import Read, reader
from priorshift.models.files import locate
from priorshift.models.hub import snapshot
from priorshift.probability.encoder import longest_input
from priorshift.probability.forward import out_of_memory
from priorshift.study.sections import BaseModelParams


@dataclass
class BaseModel:
    """A loaded base model and what is known of it.

    Attributes
    ----------
    read : text -> what the model reads of it (see `chat`); the tokenizer takes what it returns
    source, commit : a hub model's id and the commit that was loaded; otherwise the name and ""
    world, group : for embedded models the calibration world and the architecture; otherwise "" and the name
    backend : who does the fine-tuning, and why
    micro_batch : the batch that memory was found to hold; None until it ran out
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    read: Read
    source: str
    commit: str
    world: str
    group: str
    device: str
    backend: Backend
    micro_batch: int | None = None


def load_base(params: BaseModelParams, backend: Backend = MEASURING) -> BaseModel:
    """Load a base model in evaluation mode, on the GPU where there is one.

    Raises
    ------
    ParamsError
        In one line, when nothing loadable is found under the source.
    """
    folder, card = locate(params)
    hub = not isinstance(folder, Path)
    tokenizer, read = load_reader(params)
    folder = snapshot(params) if hub else folder
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = choose_dtype(params, device)
    if not list(folder.glob("*.safetensors")):
        raise _unloadable(params, "no safetensors in it; pickled weights are never loaded: they can run code")
    try:
        if backend.name == "unsloth":
            model = unsloth_module().load(folder, dtype, params.load_in_4bit)
        else:
            model = _load(folder, params, dtype, device)
    except Exception as problem:  # of many kinds: a damaged file fails wherever its reader notices
        if out_of_memory(problem):
            raise RunError(
                f"base_models: {params.name}: out of memory while loading {params.source!r} on {device}; take a "
                "smaller model, load_in_4bit, or a larger device"
            ) from None
        raise _unloadable(params, _reason(problem)) from None
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"base_models: {params.name}: weight {name!r} holds NaN or infinity; get the model again")
    model.eval()
    # What PEFT writes into an adapter: it must not name this machine's folders.
    model.name_or_path = params.source if hub else params.name
    return BaseModel(
        params.name,
        model,
        tokenizer,
        read,
        model.name_or_path,
        folder.name if hub else "",
        card.get("world", ""),
        card.get("architecture", params.name),
        device,
        backend,
    )


def load_reader(params: BaseModelParams) -> tuple[PreTrainedTokenizerBase, Read]:
    """A base model's tokenizer, and how text becomes what it reads; no weights are loaded.

    Raises
    ------
    ParamsError
        In one line, as `load_base` and `chat.reader` do.
    """
    folder, _ = locate(params)
    folder = folder if isinstance(folder, Path) else snapshot(params)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as problem:
        raise _unloadable(params, _reason(problem)) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, reader(tokenizer, params)


def choose_dtype(params: BaseModelParams, device: str) -> torch.dtype:
    """The weights' type: as the study says, or float32 on a CPU and the GPU's own 16 bits."""
    if params.dtype == "auto":
        if device == "cpu":
            return torch.float32
        # Without emulation: a T4 has no bfloat16 units.
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if params.dtype == "float16" and device == "cpu":
        raise ParamsError(f"base_models: {params.name}: found dtype 'float16' on a CPU; expected float32 or bfloat16")
    return getattr(torch, params.dtype)


@contextmanager
def _quietly(folder: Path) -> Iterator[None]:
    """No bar for weights that are read in a moment: dozens of them would fill an executed notebook."""
    small = sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 2**26
    hide = small and hf_logging.is_progress_bar_enabled()
    if hide:
        hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if hide:
            hf_logging.enable_progress_bar()


def _load(folder: Path, params: BaseModelParams, dtype: torch.dtype, device: str) -> PreTrainedModel:
    options = {}
    if params.load_in_4bit:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        options["device_map"] = {"": device}
    with _quietly(folder):
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=attention_kernel(folder, device),
            **options,
        )
    return model if params.load_in_4bit else model.to(device)


def attention_kernel(folder: Path, device: str) -> str:
    """Eager on a CPU, where fused kernels are slower at these sizes, and for soft caps, which they leave out."""
    text = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config(decoder=True)
    return "eager" if device == "cpu" or getattr(text, "attn_logit_softcapping", None) else "sdpa"


def _reason(problem: Exception) -> str:
    reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
    return "it needs code of its own, which is never run" if "trust_remote_code" in str(problem) else reason


def _unloadable(params: BaseModelParams, reason: str) -> ParamsError:
    return ParamsError(
        f"base_models: {params.name}: cannot load {params.source!r} ({reason}); "
        "give a hub id that can be reached, or a directory with config.json, tokenizer and safetensors"
    )


def check_texts(base: BaseModel, texts: Sequence[str]) -> None:
    """Refuse texts that the model cannot read: too long, or of words that an embedded model's tokenizer lacks.

    Raises
    ------
    RunError
        Naming the text, or the word and the command that rebuilds the base models with it.
    """
    limit, unknown = longest_input(base.model.config), base.tokenizer.unk_token_id
    for text, ids in zip(texts, base.tokenizer(list(texts), verbose=False)["input_ids"], strict=True):
        if limit is not None and len(ids) > limit:
            raise RunError(
                f"{base.name}: {text[:60]!r} has {len(ids)} tokens, and the model reads at most {limit}; shorten it"
            )
    for text in texts if base.world else ():
        # A text may open a document or follow a space: the vocabulary has the tokens of its own places.
        found = [base.tokenizer(lead + text, add_special_tokens=False)["input_ids"] for lead in ("", " ")]
        if all(unknown in ids for ids in found):
            position = found[1].index(unknown)
            known = base.tokenizer.decode(found[1][:position])
            raise RunError(
                f"{base.name} does not know a word of {text!r} (after {known!r}); "
                "reword it, or build base models on these materials (docs/adding_a_behavior.md, step 2)"
            )


def check_letters(base: BaseModel, letters: Iterable[str]) -> None:
    """Refuse answer letters that are not one token each, different from one another.

    Raises
    ------
    RunError
        Naming the letter and its tokens.
    """
    before = base.read("The answer:")
    start = base.tokenizer(before)["input_ids"]
    seen: dict[int, str] = {}
    for letter in letters:
        tail = base.tokenizer(f"{before} {letter}.")["input_ids"][len(start) :]
        alone = base.tokenizer(f"{before} {letter}")["input_ids"][len(start) :]
        if len(alone) != 1 or tail[:1] != alone or alone[0] in seen:
            raise RunError(
                f"{base.name}: the answer letter {letter!r} is read as the tokens "
                f"{base.tokenizer.convert_ids_to_tokens(tail)}; expected one of its own: use answer: text"
            )
        seen[alone[0]] = letter
