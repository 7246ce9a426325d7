"""An error that a user can correct is one printable line, in a terminal and in a notebook."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from priorshift.errors import MaterialsError, ParamsError, RunError, UserError


@given(st.text())
def test_whatever_it_says_is_one_printable_line(text):
    said = str(ParamsError(text))
    assert said.isprintable()
    if text.isprintable():
        assert said == text


def test_what_cannot_be_printed_is_escaped():
    assert str(RunError("a\nb\x1b[31m")) == r"a\nb\x1b[31m"


@pytest.mark.parametrize("kind", [UserError, ParamsError, MaterialsError, RunError])
def test_a_notebook_shows_the_line_and_no_traceback(kind, capsys):
    shell = InteractiveShell.instance()
    shell.push({"kind": kind})
    shell.run_cell("raise kind('lower the rank')")
    assert capsys.readouterr().out.strip() == f"{kind.__name__}: lower the rank"
