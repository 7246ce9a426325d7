"""The model whose numbers can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from priorshift.probability.scorer import Scorer
from priorshift.probability.uniform_model import make_uniform_model


@pytest.mark.parametrize("words", [["it"], ["it", "was", "fine"]])
def test_every_token_is_equally_likely_after_any_text(words):
    model, tokenizer = make_uniform_model(words)
    found = Scorer(model, tokenizer).next_token_logprobs(["it", "it it", "unheard"])
    np.testing.assert_allclose(found, -np.log(len(words) + 1), rtol=1e-6)
    assert tokenizer("it unheard")["input_ids"] == [1, 0]
