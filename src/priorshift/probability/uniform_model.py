"""The smallest causal language model: every token equally likely, so that each number can be checked by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast


def make_uniform_model(words: Sequence[str]) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A Llama whose weights are all zero, and a tokenizer with one token per word.

    Parameters
    ----------
    words : sequence of str
        The vocabulary, numbered from 1. Token 0 stands for any other word.

    Returns
    -------
    model, tokenizer
        Every token has the logprob ``-log(len(words) + 1)`` after any text.

    Examples
    --------
    >>> model, tokenizer = make_uniform_model(["it", "was", "fine"])
    >>> tokenizer("it was")["input_ids"], model.config.vocab_size
    ([1, 2], 4)
    """
    vocabulary = {word: number for number, word in enumerate(["<unk>", *words])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=None,  # by default the first two words would begin and end texts
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    return model, PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
