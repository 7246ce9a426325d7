"""Seeded samples: how a model continues neutral openings."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from priorshift.materials.prompts import join_prompt
from priorshift.materials.schema import Materials
from priorshift.models.chat import find_end_tokens
from priorshift.probability.encoder import tokenize_without_end
from priorshift.probing.context import NO_CONTEXT, Context


def list_completion_stems(materials: Materials, context: Context = NO_CONTEXT) -> list[str]:
    """The neutral openings, each after the context's decisions where there are any."""
    names = materials.forms.names.main
    return [
        join_prompt(" ".join(context.narrate(i, names[i % len(names)], materials)), opening)
        for i, opening in enumerate(materials.completions)
    ]


def sample_completions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stems: Sequence[str],
    n_samples: int,
    max_tokens: int,
    seed: int,
) -> pd.DataFrame:
    """Sample completions of each stem at temperature 1.

    The n-th draw of a stem uses the same random numbers whatever the model. So two models differ in their texts only
    where they differ in their probabilities.

    Parameters
    ----------
    n_samples : completions per stem
    max_tokens : where a completion ends if the model does not end it (see `models.chat.find_end_tokens`)

    Returns
    -------
    DataFrame
        stem (its number), sample, text: one row per completion.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(stems), n_samples, max_tokens, generator=generator).flatten(0, 1)
    ids = [list(tokens) for tokens in tokenize_without_end(tokenizer, stems) for _ in range(n_samples)]
    ends = find_end_tokens(model, tokenizer)
    written = _sample(model, ids, noise.to(model.device), ends, tokenizer.pad_token_id)
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    index = [(i, j) for i in range(len(stems)) for j in range(n_samples)]
    return pd.DataFrame(
        [{"stem": i, "sample": j, "text": text.strip()} for (i, j), text in zip(index, texts, strict=True)]
    )


@torch.inference_mode()
def _sample(
    model: PreTrainedModel, ids: list[list[int]], noise: torch.Tensor, ends: set[int], pad: int
) -> list[list[int]]:
    """Token ids that follow each row of `ids`, by inverse-CDF sampling.

    Parameters
    ----------
    noise : float [rows, steps], uniform in 0..1
    ends, pad : the tokens that end a text, and the one that fills a row
    """
    longest = max(map(len, ids))
    tokens = torch.tensor([[pad] * (longest - len(row)) + row for row in ids], device=model.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=model.device)
    # Padding is at the left, so that every row goes on from its own last token. Positions start after the padding.
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    last = torch.tensor(sorted(ends), dtype=torch.long, device=model.device)
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
        ended |= torch.isin(chosen[:, 0], last)
        if ended.all():
            break
        for row, token in enumerate(chosen[:, 0].tolist()):
            if not ended[row]:
                written[row].append(token)
        tokens, positions = chosen, positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(ids), 1)], dim=1)
    return written
