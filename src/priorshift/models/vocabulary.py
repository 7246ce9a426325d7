"""A tokenizer's tokens: does the model have an embedding for each, and what does one add to a text?"""

from __future__ import annotations

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from priorshift.errors import ParamsError


def check_vocabulary(name: str, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Refuse a tokenizer with tokens that the model has no embedding for.

    A special token that stands in no text unless it is written out may lie beyond (Gemma 3's text models have one, of
    images). BOS, EOS, padding and the unknown token may not. More embeddings than tokens are right.

    Parameters
    ----------
    name : of the base model, for the error

    Raises
    ------
    ParamsError
        With both numbers and the first such token.
    """
    n_embedded = min(
        module.weight.shape[0] for module in (model.get_input_embeddings(), model.get_output_embeddings()) if module
    )
    used = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    rare = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special and i not in used}
    tokens = {i: token for token, i in tokenizer.get_vocab().items()}
    beyond = sorted(i for i in tokens if i >= n_embedded and i not in rare)
    if beyond:
        raise ParamsError(
            f"base_models: {name}: its tokenizer has {max(tokens) + 1} tokens, and the model embeds {n_embedded} "
            f"(the first beyond: {tokens[beyond[0]]!r}, {beyond[0]}); take the model's tokenizer, or resize its "
            "embeddings"
        )


def write_token(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """Write what a token adds to a text that it follows, its leading space too.

    Examples
    --------
    >>> from tokenizers import Tokenizer, decoders, models
    >>> from transformers import PreTrainedTokenizerFast
    >>> core = Tokenizer(models.WordLevel({"a": 0, "\u2581calm": 1}, unk_token="a"))
    >>> core.decoder = decoders.Metaspace()
    >>> write_token(PreTrainedTokenizerFast(tokenizer_object=core), 1)
    ' calm'
    """
    # Alone, a token may lose its space in decoding.
    before = tokenizer("a", add_special_tokens=False)["input_ids"]
    shorter, longer = (tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in (before, [*before, token]))
    return longer[len(shorter) :]
