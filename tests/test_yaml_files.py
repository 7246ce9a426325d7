"""YAML that is read safely, and the one line that names what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from priorshift.errors import MaterialsError, ParamsError, UserError
from priorshift.yaml_files import Frozen, read_yaml, validate


class Inner(Frozen):
    rate: float
    names: tuple[str, ...] = ()


class Outer(Frozen):
    study: str
    inner: Inner
    parts: dict[str, Inner] | None = None
    prior: dict[str, float] | list[str] | None = None


def read(tmp_path, content):
    path = tmp_path / "file.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path, ParamsError)


def test_plain_yaml_is_read(tmp_path):
    assert read(tmp_path, "a: 1\nb: [x, 2.5, null]\n") == {"a": 1, "b": ["x", 2.5, None]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: 1\na: 2", "line 2: .*key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "key 'b' is given twice"),
        ("a: &x [1]\nb: *x", r"line 2: .*aliases \(\*x\) are not allowed"),
        ("? [1, 2]\n: 3", "a key must be a plain word"),
        ("a: [1", "line 1: .*not valid YAML"),
        ("a: !!python/name:os.system", "not valid YAML"),
        *(
            (f"a: {value}", "not valid YAML")
            for value in (
                "!!bool x",
                "!!timestamp x",
                "!!int ''",
                "!!float ''",
                "!!int [1]",
                "!!null {}",
            )
        ),
        ("a:\tb\n\tc: [0]", "line 1"),
        (b"a: \xff", "it is not UTF-8 text"),
    ],
)
def test_yaml_that_is_not_taken_is_one_line_with_its_place(tmp_path, content, said):
    with pytest.raises(ParamsError, match=said) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value) and str(tmp_path / "file.yaml") in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error_of_the_kind_asked_for(tmp_path):
    with pytest.raises(MaterialsError, match="no such file"):
        read_yaml(tmp_path / "missing.yaml", MaterialsError)
    with pytest.raises(ParamsError, match="cannot be read"):
        read_yaml(tmp_path, ParamsError)


GOOD = {"study": "x", "inner": {"rate": 0.5}}


def test_what_is_valid_becomes_an_object_that_cannot_be_changed():
    made = validate(Outer, GOOD, "x.yaml", ParamsError)
    assert made.inner.rate == 0.5 and made.inner.names == ()
    with pytest.raises(ValueError, match="frozen"):
        made.study = "y"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inner": {"rate": "high"}}, "inner.rate: found 'high'; "),
        ({"inner": {}}, "key 'inner.rate' is missing"),
        ({"inner": {"rat": 0.5}}, "unknown key 'inner.rat'; remove it or use one of: rate, names"),
        ({"parts": {"a": {"rate": 1.0, "x": 1}}}, "unknown key 'parts.a.x'; remove it or use one of: rate, names"),
        ({"inner": {"rate": [10**5000]}}, "too large to show"),
        ({"inner": {"rate": 1.0, "names": ("a", 2)}}, "inner.names.1: found 2; "),
        ({"study": 10**5000}, "int that is too large to show"),
        ({"study": ["x" * 500]}, r"x\.\.\.; "),
        ({"prior": 3}, "prior: found 3; .*, or "),
    ],
)
def test_the_first_problem_names_key_value_and_what_was_expected(change, said):
    with pytest.raises(ParamsError, match=f"^x.yaml: .*{said}|^x.yaml: {said}") as caught:
        validate(Outer, GOOD | change, "x.yaml", ParamsError)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(JUNK, st.sampled_from(["study", "inner", "parts", "prior", "other"]))
def test_any_value_is_taken_or_refused_in_one_line(value, key):
    try:
        validate(Outer, GOOD | {key: value}, "x.yaml", ParamsError)
    except UserError as problem:
        assert str(problem).startswith("x.yaml: ") and "\n" not in str(problem)
