"""Which library fine-tunes here, and why."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from priorshift.errors import ParamsError
from priorshift.models.backends import MEASURING, choose_backend

INSTALLED = find_spec("unsloth") is not None


def test_backend_of_this_machine_is_told_with_its_reason():
    assert choose_backend("peft").name == "peft"
    chosen = choose_backend("auto")
    assert (chosen.name, chosen.reason) == ("peft", "no CUDA device")


@pytest.mark.skipif(INSTALLED, reason="Unsloth is installed here")
def test_unsloth_that_is_not_there_is_one_line():
    with pytest.raises(
        ParamsError, match=r"^backend: found 'unsloth', and Unsloth is not installed: .* backend: peft$"
    ):
        choose_backend("unsloth")


def test_measuring_is_by_peft():
    assert MEASURING.name == "peft"
