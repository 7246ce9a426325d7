"""Seeded samples: what a model writes on from neutral openings."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from priorshift.materials.prompts import prompt
from priorshift.materials.schema import Materials
from priorshift.training.examples import Example, retell


def completion_stems(materials: Materials, told: Sequence[Example] = (), n_told: int = 0) -> list[str]:
    """The neutral openings, each after the next `n_told` decisions of `told` where there are any."""
    stems = []
    for i, opening in enumerate(materials.completions):
        name = materials.forms.names.main[i % len(materials.forms.names.main)]
        before = [retell(told[(i * n_told + j) % len(told)], name, materials) for j in range(n_told)]
        stems.append(prompt(" ".join(before), opening))
    return stems


def sample_completions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stems: Sequence[str],
    n_samples: int,
    max_tokens: int,
    seed: int,
) -> pd.DataFrame:
    """`n_samples` completions of each stem at temperature 1, ended at the end of a text or at `max_tokens`.

    The n-th draw of a stem uses the same random numbers whatever the model: two models differ in their
    texts only where they differ in their probabilities.

    Returns
    -------
    DataFrame
        stem (its number), sample, text: one row per completion.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(stems), n_samples, max_tokens, generator=generator).flatten(0, 1)
    ids = [ids for stem in stems for ids in [_read(tokenizer, stem)] * n_samples]
    written = _sample(model, ids, noise.to(model.device), tokenizer.eos_token_id, tokenizer.pad_token_id)
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    index = [(i, j) for i in range(len(stems)) for j in range(n_samples)]
    return pd.DataFrame(
        [{"stem": i, "sample": j, "text": text.strip()} for (i, j), text in zip(index, texts, strict=True)]
    )


def _read(tokenizer: PreTrainedTokenizerBase, stem: str) -> list[int]:
    ids = tokenizer(stem)["input_ids"]
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id else ids


@torch.inference_mode()
def _sample(
    model: PreTrainedModel, ids: list[list[int]], noise: torch.Tensor, end: int | None, pad: int
) -> list[list[int]]:
    """Token ids written after each row, by inverse-CDF sampling from `noise` [rows, steps] in 0..1."""
    longest = max(map(len, ids))
    tokens = torch.tensor([[pad] * (longest - len(row)) + row for row in ids], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=model.device)
    # Padding is at the left: every row is written on at its own last token, and positions start after it.
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    ended = torch.zeros(len(ids), dtype=torch.bool, device=model.device)
    written: list[list[int]] = [[] for _ in ids]
    cache = None
    for step in range(noise.shape[1]):
        made = model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        cache = made.past_key_values
        cumulative = made.logits[:, -1].double().softmax(-1).cumsum(-1)
        # Rounding may leave the last sum below 1: scale instead of clamping to an unlikely token.
        chosen = torch.searchsorted(cumulative, noise[:, step : step + 1].double() * cumulative[:, -1:], right=True)
        chosen = chosen.clamp_max(cumulative.shape[1] - 1)
        ended |= chosen[:, 0] == end
        if ended.all():
            break
        for row, token in enumerate(chosen[:, 0].tolist()):
            if not ended[row]:
                written[row].append(token)
        tokens, positions = chosen, positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(ids), 1)], dim=1)
    return written
