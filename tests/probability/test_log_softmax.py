"""Log-softmax against SciPy's in float64, whole and looked up, in pieces and of 16 bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from priorshift.probability import log_softmax as module
from priorshift.probability.log_softmax import look_up_log_softmax, write_log_softmax

LOGITS = torch.from_numpy(np.random.default_rng(0).normal(0, 5, (7, 50)).astype(np.float32))
EXPECTED = log_softmax(LOGITS.double().numpy(), axis=-1)


@pytest.mark.parametrize("lines_at_a_time", [1, 3, 7])
def test_both_are_scipys_log_softmax_however_few_lines_at_a_time(monkeypatch, lines_at_a_time):
    monkeypatch.setattr(module, "CHUNK", 50 * lines_at_a_time)
    out, lines = np.full((9, 50), 7.0, dtype=np.float32), np.array([8, 0, 3, 1, 2, 5, 6])
    write_log_softmax(LOGITS, out, lines)
    np.testing.assert_allclose(out[lines], EXPECTED, atol=2e-6)
    assert (out[[4, 7]] == 7).all()
    predictor, target = np.array([6, 0, 0, 3]), np.array([49, 0, 1, 7])
    np.testing.assert_allclose(look_up_log_softmax(LOGITS, predictor, target), EXPECTED[predictor, target], atol=2e-6)


def test_logits_of_16_bits_are_summed_in_32():
    short = LOGITS.to(torch.bfloat16)
    expected = log_softmax(short.double().numpy(), axis=-1)
    out = np.empty((7, 50), dtype=np.float32)
    write_log_softmax(short, out, np.arange(7))
    np.testing.assert_allclose(out, expected, atol=2e-6)
    found = look_up_log_softmax(short, np.arange(7), np.arange(7))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[np.arange(7), np.arange(7)], atol=2e-6)


def test_huge_logits_do_not_overflow():
    out = np.empty((1, 2), dtype=np.float32)
    write_log_softmax(torch.tensor([[1e4, 0.0]]), out, np.array([0]))
    assert out.tolist() == [[0.0, -1e4]]
    assert look_up_log_softmax(torch.tensor([[1e4, 0.0]]), np.array([0]), np.array([1])).tolist() == [-1e4]
