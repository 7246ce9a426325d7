"""Base models: an embedded name, a local directory or a hub id -> model and tokenizer."""

from __future__ import annotations

from collections.abc import Iterator
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
from priorshift.models.backends import MEASURING, Backend, import_unsloth
from priorshift.models.chat import Reader, make_reader
from priorshift.models.files import locate
from priorshift.models.hub import fetch_snapshot
from priorshift.models.vocabulary import check_vocabulary
from priorshift.models.weights import find_gaps, find_gaps_in_folder
from priorshift.probability.encoder import find_longest_input
from priorshift.probability.forward import is_out_of_memory
from priorshift.study.sections import BaseModelParams, Training


@dataclass
class BaseModel:
    """A loaded base model and what is known of it.

    Attributes
    ----------
    name : the study's name for it
    model, tokenizer : in evaluation mode; adapters are put on `model` in place
    read : text -> what the model reads of it (see `chat`); the tokenizer takes what it returns
    source, commit : a hub model's id and the commit that was loaded; otherwise the name and ""
    world, group : for embedded models the calibration world and the architecture; otherwise "" and the name
    device : "cuda" or "cpu"
    backend : the library that fine-tunes, and why
    micro_batch : the batch that memory was found to hold; None until it ran out
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    read: Reader
    source: str
    commit: str
    world: str
    group: str
    device: str
    backend: Backend
    micro_batch: int | None = None


def find_device() -> str:
    """Find where models are computed: "cuda" where there is a GPU, or "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_base(params: BaseModelParams, backend: Backend = MEASURING) -> BaseModel:
    """Load a base model in evaluation mode, on the GPU where there is one.

    Raises
    ------
    ParamsError
        When nothing that can be loaded is found under the source, a tensor is missing or has no place, or the
        tokenizer has more tokens than the model.
    RunError
        When memory runs out, or a weight is NaN or infinite.
    """
    folder, card = locate(params)
    hub = not isinstance(folder, Path)
    tokenizer, read = load_reader(params)
    folder = fetch_snapshot(params) if hub else folder
    device = find_device()
    dtype = choose_dtype(params, device)
    if not list(folder.glob("*.safetensors")):
        raise _refuse(params, "no safetensors in it; pickled weights are never loaded: they can run code")
    model = _load_weights(folder, params, backend, dtype, device)
    for name, tensor in model.state_dict().items():
        # In parts: what is compared along the way takes several times their memory.
        if not all(torch.isfinite(part).all() for part in tensor.flatten().split(2**22)):
            raise RunError(f"base_models: {params.name}: weight {name!r} holds NaN or infinity; get the model again")
    check_vocabulary(params.name, tokenizer, model)
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


def load_reader(params: BaseModelParams) -> tuple[PreTrainedTokenizerBase, Reader]:
    """Load a base model's tokenizer, and the function from a text to what the model reads. Weights are not fetched.

    Raises
    ------
    ParamsError
        As `load_base` and `chat.make_reader`.
    """
    folder, _ = locate(params)
    folder = folder if isinstance(folder, Path) else fetch_snapshot(params, weights=False)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as problem:
        raise _refuse(params, _summarize(problem)) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, make_reader(tokenizer, params)


def read_longest_input(params: BaseModelParams) -> int | None:
    """Read the most tokens that a base model takes from its configuration alone. None where it names no limit.

    Raises
    ------
    ParamsError
        When the configuration cannot be read.
    """
    folder, _ = locate(params)
    folder = folder if isinstance(folder, Path) else fetch_snapshot(params, weights=False)
    try:
        return find_longest_input(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    except Exception as problem:
        raise _refuse(params, _summarize(problem)) from None


def choose_dtype(params: BaseModelParams, device: str) -> torch.dtype:
    """Choose the weights' type: as the study says, or else float32 on a CPU and the GPU's own 16 bits.

    Raises
    ------
    ParamsError
        When float16 is asked for on a CPU.
    """
    if params.dtype == "auto":
        if device == "cpu":
            return torch.float32
        return torch.bfloat16 if has_bfloat16(device) else torch.float16
    if params.dtype == "float16" and device == "cpu":
        raise ParamsError(f"base_models: {params.name}: found dtype 'float16' on a CPU; expected float32 or bfloat16")
    return getattr(torch, params.dtype)


def has_bfloat16(device: str) -> bool:
    """Whether a device has instructions for bfloat16: where they are emulated, float32 is faster.

    On a CPU oneDNN must be there as well, which alone makes use of them.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)  # a T4 only emulates
    known = getattr(torch.cpu, "get_capabilities", dict)()  # an older torch knows none
    named = ("amx_bf16", "avx512_bf16", "bf16")  # Intel's, Intel's and AMD's, ARM's
    return torch.backends.mkldnn.is_available() and any(known.get(name) for name in named)


def explain_own_dtype(training: Training) -> str:
    """Say why `training.base_dtype` is not followed on this machine. Empty where it is, or is not given."""
    if training.base_dtype is None or has_bfloat16(find_device()):
        return ""
    return (
        f"training.base_dtype: found {training.base_dtype!r}, and torch knows of no such arithmetic on this machine's "
        f"{find_device()}; adapters are trained on base models of their own type"
    )


def choose_for_training(params: BaseModelParams, training: Training) -> BaseModelParams:
    """Choose how a base model is loaded to be trained on: in `training.base_dtype`, where the processor has it."""
    if training.base_dtype is None or explain_own_dtype(training):
        return params
    return params.model_copy(update={"dtype": training.base_dtype})


@contextmanager
def _hide_small_bar(folder: Path) -> Iterator[None]:
    """Show no bar for weights that are read in a moment: dozens of bars would fill an executed notebook."""
    small = sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 2**26
    hide = small and hf_logging.is_progress_bar_enabled()
    if hide:
        hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if hide:
            hf_logging.enable_progress_bar()


def _load_weights(
    folder: Path, params: BaseModelParams, backend: Backend, dtype: torch.dtype, device: str
) -> PreTrainedModel:
    """The model by the backend's library, whole."""
    try:
        if backend.name == "unsloth":
            gaps = find_gaps_in_folder(folder)
            model = None if gaps else import_unsloth().load(folder, dtype, params.load_in_4bit)
        else:
            model, gaps = _load_by_transformers(folder, params, dtype, device)
    except Exception as problem:  # of many kinds: a damaged file fails wherever its reader notices
        if is_out_of_memory(problem):
            raise RunError(
                f"base_models: {params.name}: out of memory while loading {params.source!r} on {device}; take a "
                "smaller model, load_in_4bit, or a larger device"
            ) from None
        raise _refuse(params, _summarize(problem)) from None
    if gaps:
        raise ParamsError(
            f"base_models: {params.name}: {params.source!r} and its weights do not fit ({gaps}); get it "
            "again, or save it whole (an adapter merged into its model)"
        )
    return model


def _load_by_transformers(
    folder: Path, params: BaseModelParams, dtype: torch.dtype, device: str
) -> tuple[PreTrainedModel, str]:
    """The model, and what is missing of it or has no place in it."""
    options = {}
    if params.load_in_4bit:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        options["device_map"] = {"": device}
    with _hide_small_bar(folder):
        model, loaded = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=choose_attention(folder, device),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are named with the other gaps
            **options,
        )
    gaps = find_gaps(model, loaded)
    return model if params.load_in_4bit or gaps else model.to(device), gaps


def choose_attention(folder: Path, device: str) -> str:
    """Choose how attention is computed.

    "eager" on a CPU, where "sdpa" is slower at these sizes, and for models with soft caps, which "sdpa" leaves out.
    """
    text = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config(decoder=True)
    return "eager" if device == "cpu" or getattr(text, "attn_logit_softcapping", None) else "sdpa"


def _summarize(problem: Exception) -> str:
    """The first line of another library's error."""
    reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
    return "it needs code of its own, which is never run" if "trust_remote_code" in str(problem) else reason


def _refuse(params: BaseModelParams, reason: str) -> ParamsError:
    return ParamsError(
        f"base_models: {params.name}: cannot load {params.source!r} ({reason}); "
        "give a hub id that can be reached, or a directory with config.json, tokenizer and safetensors"
    )
