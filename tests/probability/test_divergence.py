"""Divergences against SciPy, against direct sums and against what must hold for any distribution."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy

from priorshift.errors import UserError
from priorshift.probability import divergence
from priorshift.probability.distributions import RoundedLogprobs
from priorshift.probability.divergence import (
    entropy,
    jsd,
    jsd_parts,
    kl,
    rank_token_effects,
    restricted_jsd,
    total_variation,
)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log(probabilities) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


@st.composite
def pairs(draw, zeros: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Two distributions over one vocabulary, some tokens impossible under either."""
    size = draw(st.integers(1, 12))
    weight = st.floats(1e-6, 1.0) | st.just(0.0) if zeros else st.floats(1e-6, 1.0)
    weights = draw(hnp.arrays(np.float64, (2, size), elements=weight))
    weights[:, draw(st.integers(0, size - 1))] = 0.5
    return tuple(log(weights / weights.sum(axis=1, keepdims=True)))


@given(pairs())
def test_jsd_is_scipys_root_squared_in_bits(pair):
    p, q = pair
    assert abs(jsd(p, q) - jensenshannon(np.exp(p), np.exp(q), base=2) ** 2) < 1e-12


@given(pairs())
def test_jsd_is_symmetric_bounded_and_sums_its_parts(pair):
    p, q = pair
    assert jsd(p, q) == jsd(q, p)
    assert 0 <= jsd(p, q) <= 1
    parts = jsd_parts(p, q)
    assert (parts >= 0).all()
    assert abs(parts.sum() - jsd(p, q)) < 1e-12


@given(pairs())
def test_parts_equal_the_textbook_sum(pair):
    p, q = np.exp(pair)
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.nan_to_num(p * np.log2(p / m)) / 2 + np.nan_to_num(q * np.log2(q / m)) / 2
    np.testing.assert_allclose(jsd_parts(*pair), expected, atol=1e-12)


@given(pairs(), st.randoms(use_true_random=False))
def test_order_of_tokens_does_not_matter(pair, random):
    p, q = pair
    order = random.sample(range(len(p)), len(p))
    for measure in (jsd, kl, total_variation):
        np.testing.assert_allclose(measure(p[order], q[order]), measure(p, q), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(jsd_parts(p[order], q[order]), jsd_parts(p, q)[order], rtol=1e-12, atol=1e-14)


@given(pairs())
def test_zero_iff_equal(pair):
    p, q = pair
    assert jsd(p, p) == kl(p, p) == total_variation(p, p) == 0
    if np.abs(np.exp(p) - np.exp(q)).max() > 1e-9:
        assert jsd(p, q) > 0
        assert kl(p, q) > 0
        assert total_variation(p, q) > 0


@pytest.mark.parametrize("shift", [1e-3, 1e-6, 1e-9])
def test_a_tiny_shift_is_not_lost_in_rounding(shift):
    # For p = 1/2 +- e and q = 1/2, the JSD in nats is e^2 / 2 + O(e^4); the textbook form returns noise here.
    p = log([0.5 + shift, 0.5 - shift])
    np.testing.assert_allclose(jsd(p, log([0.5, 0.5])), shift**2 / 2 / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(kl(p, log([0.5, 0.5])), shift**2 * 2 / np.log(2), rtol=1e-5)


@given(pairs())
def test_kl_and_entropy_are_scipys(pair):
    p, q = pair
    np.testing.assert_allclose(kl(p, q), scipy_entropy(np.exp(p), np.exp(q), base=2), atol=1e-12)
    np.testing.assert_allclose(entropy(p), scipy_entropy(np.exp(p), base=2), atol=1e-12)


@given(pairs(zeros=False))
def test_total_variation_bounds_jsd(pair):
    # Lin (1991), theorem 3: JSD is at most the total variation (in bits, uniform weights).
    assert jsd(*pair) <= total_variation(*pair) + 1e-12


def test_disjoint_distributions():
    p, q = log([0.5, 0.5, 0.0]), log([0.0, 0.0, 1.0])
    assert jsd(p, q) == pytest.approx(1.0, abs=1e-14)
    assert total_variation(p, q) == 1.0
    assert kl(p, q) == np.inf


def test_extreme_ratios_stay_finite():
    p, q = log_softmax(np.array([[0.0, -900.0], [-900.0, 0.0]]))
    assert jsd(p, q) == pytest.approx(1.0, abs=1e-12)
    assert kl(p, q) == pytest.approx(900 / np.log(2))


@pytest.mark.parametrize("unlikely", [-1.0, -700.0, -800.0, -1e6])
def test_kl_is_infinite_where_q_excludes_what_p_does_not(unlikely):
    """However unlikely under p: exp(-800) is 0 in float64, and its token is possible all the same."""
    p = np.array([np.log1p(-np.exp(unlikely)), unlikely])
    excluded = np.array([0.0, -np.inf])
    assert kl(p, excluded) == np.inf
    assert np.isfinite(kl(excluded, p)) and np.isfinite(jsd(p, excluded)) and np.isfinite(entropy(p))
    assert kl(excluded, excluded) == 0


@pytest.mark.parametrize(("kind", "step"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_tensors_of_16_bits_are_read_and_told(kind, step):
    """A large vocabulary: 16-bit sums are off by more than a distribution's usual tolerance."""
    torch.manual_seed(0)
    exact = [(torch.randn(2, 262144) * 3).log_softmax(-1).requires_grad_() for _ in range(2)]
    short = [values.to(getattr(torch, kind)) for values in exact]
    for function in (jsd, kl, total_variation):
        with pytest.warns(RoundedLogprobs, match=kind):
            found = function(*short)
        np.testing.assert_allclose(found, function(*exact), rtol=20 * step)
    with pytest.warns(RoundedLogprobs, match=kind):
        restricted_jsd(short[0][:, :5], short[1][:, :5])
    with pytest.warns(RoundedLogprobs), pytest.raises(UserError, match="sums to"):
        jsd(short[0] + 0.5, short[1])


def test_longer_numbers_are_taken_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in (torch.float32, torch.float64):
            values = torch.tensor([0.25, 0.75], dtype=kind, requires_grad=True).log()
            assert kl(values, values.detach().numpy()) == 0


def test_leading_shapes_broadcast_and_chunks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    base, adapters = log_softmax(rng.normal(size=(1, 7, 11))), log_softmax(rng.normal(size=(3, 7, 11)))
    whole = jsd(base, adapters)
    assert whole.shape == (3, 7)
    monkeypatch.setattr(divergence, "CHUNK", 25)
    np.testing.assert_array_equal(jsd(base, adapters), whole)
    np.testing.assert_allclose(jsd_parts(base, adapters).sum(-1), whole, atol=1e-12)
    assert jsd(base[0, 2], adapters[1, 2]) == whole[1, 2]


def test_no_stems_give_no_values():
    assert jsd(np.zeros((0, 5)), np.zeros((0, 5))).shape == (0,)


def test_float32_over_a_large_vocabulary_passes_in_little_memory():
    rng = np.random.default_rng(0)
    shape = (8, 151_936)
    p, q = (log_softmax(rng.normal(scale=4, size=shape).astype(np.float32)).astype(np.float32) for _ in range(2))
    tracemalloc.start()
    values = jsd(p, q)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = jensenshannon(np.exp(p.astype(float)), np.exp(q.astype(float)), base=2, axis=1) ** 2
    np.testing.assert_allclose(values, expected, atol=1e-12)
    assert peak < 64e6


def test_effects_are_averaged_over_stems_and_ordered():
    rng = np.random.default_rng(1)
    base, adapter = log_softmax(rng.normal(size=(4, 5, 30))), log_softmax(rng.normal(size=(4, 5, 30)))
    effects = rank_token_effects(base, adapter, k=30)
    assert np.all(np.diff(effects["change"]) <= 0)
    assert sorted(effects["token"]) == list(range(30))
    change = (np.exp(adapter) - np.exp(base)).mean(axis=(0, 1))
    np.testing.assert_allclose(effects["change"], change[effects["token"]], atol=1e-14)
    assert effects["jsd"].sum() == pytest.approx(jsd(base, adapter).mean())
    few = rank_token_effects(base, adapter, k=2)
    assert few["token"].tolist() == [*effects["token"][:2], *effects["token"][-2:]]


def test_tokens_without_effect_are_not_listed():
    assert len(rank_token_effects(log([0.5, 0.5]), log([0.5, 0.5]))) == 0


def test_restricted_jsd_compares_classes_and_reports_what_it_leaves_out():
    p, q = log([0.1, 0.2, 0.3, 0.4]), log([0.3, 0.1, 0.1, 0.5])
    result = restricted_jsd(p, q, ["loss", "loss", "threat", None])
    assert result.jsd == pytest.approx(jensenshannon([0.5, 0.5], [0.8, 0.2], base=2) ** 2, abs=1e-12)
    assert result.left_out_p == pytest.approx(0.4)
    assert result.left_out_q == pytest.approx(0.5)


@given(pairs())
def test_restricted_to_everything_is_the_jsd_itself(pair):
    result = restricted_jsd(*pair)
    assert result.jsd == pytest.approx(jsd(*pair), abs=1e-12)
    assert result.left_out_p == pytest.approx(0, abs=1e-12)


def test_restricted_jsd_of_masses_too_small_to_exponentiate():
    p = np.array([-2000.0, -2000.0 + np.log(3)])
    q = np.array([-800.0 + np.log(3), -800.0])
    result = restricted_jsd(p, q)
    assert result.jsd == pytest.approx(jensenshannon([0.25, 0.75], [0.75, 0.25], base=2) ** 2, abs=1e-12)
    assert result.left_out_p == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.log([0.5, 0.25]), "distribution 0 sums to 0.75"),
        (np.log([[0.5, 0.5], [0.9, 0.9]]), "distribution 1 sums to 1.8"),
        (np.array([2.0, 1000.0]), "sums to inf"),
        (np.array([np.nan, 0.0]), "NaN"),
        (np.array([np.inf, 0.0]), "NaN or .inf"),
        (np.array([0.5, 0.5]), "log-softmax"),
        (np.array([-np.inf, -np.inf]), "sums to 0"),
        (np.float64(0.0), "last axis"),
    ],
)
def test_what_is_no_distribution_is_refused(values, message):
    for measure in (entropy, lambda p: jsd(p, np.log([0.5, 0.5])), lambda p: kl(np.log([0.5, 0.5]), p)):
        with pytest.raises(UserError, match=message):
            measure(values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jsd(np.log([0.5, 0.5]), np.log([0.2, 0.3, 0.5])), "2 and 3"),
        (lambda: jsd(np.full((2, 1), 0.0), np.full((3, 1), 0.0)), r"\(2, 1\) and \(3, 1\)"),
        (lambda: restricted_jsd(np.log([0.7, 0.7]), np.log([0.5, 0.5])), "sum to 1.4"),
        (lambda: restricted_jsd(np.log([0.5, 0.5]), np.log([0.5, 0.5]), ["a"]), "1 labels for 2"),
        (lambda: restricted_jsd(np.log([0.5, 0.5]), np.log([0.5, 0.5]), [None, None]), "every candidate"),
        (lambda: restricted_jsd(log([0.0, 0.5]), np.log([0.5, 0.5]), ["a", None]), "sum to 0"),
        (lambda: rank_token_effects(np.log([0.5, 0.5]), np.log([0.5, 0.5]), k=0), "k=0"),
    ],
)
def test_calls_that_make_no_sense_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()


@given(pairs(zeros=False), st.data())
def test_parts_are_where_the_difference_is(pair, data):
    """Mass that moves from one token to another: these two have parts, and no other token."""
    p, _ = pair
    assume(len(p) > 1)
    giver, taker = data.draw(st.permutations(range(len(p))))[:2]
    q = np.exp(p)
    moved = q[giver] / 2
    q[giver], q[taker] = q[giver] - moved, q[taker] + moved
    parts = jsd_parts(p, np.log(q))
    assert parts[giver] != 0 and parts[taker] != 0
    np.testing.assert_allclose(np.delete(parts, [giver, taker]), 0, atol=1e-15)


def test_a_statistician_can_import_it_without_a_model_library():
    module = "priorshift.probability.divergence"
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
