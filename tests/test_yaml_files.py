"""YAML that is none, or that means more than it should, is refused in one line that names the file."""

from __future__ import annotations

import pytest
from support.refusals import read_refusal

from priorshift.errors import ParamsError
from priorshift.yaml_files import Frozen, read_yaml, validate

BAD = {
    "unreadable": (b"study: [smoke", "not valid YAML"),
    "tabs": (b"study:\tsmoke\n\tseeds: [0]", "line 1"),
    "key given twice": (b"study: smoke\nstudy: again", "'study' is given twice"),
    "key that is no word": (b"? [a]\n: b", "a key must be a plain word"),
    "aliases": (b"a: &a [x]\nb: [*a, *a]", "aliases (*a) are not allowed"),
    "python object": (b"study: !!python/object/apply:os.system ['true']", "line 1"),
    "not text": (b"\xff\xfe\x00", "UTF-8"),
    **{f"tag {tag}": (f"study: {tag}".encode(), "not valid YAML") for tag in (
        "!!bool x", "!!timestamp x", "!!int ''", "!!float ''", "!!int [1]", "!!null {}",
    )},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_yaml_is_refused(name, tmp_path):
    content, named = BAD[name]
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    said = read_refusal(read_yaml, path, ParamsError)
    assert said.startswith(f"{path}:") and named in said


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    assert "cannot be read" in read_refusal(read_yaml, tmp_path, ParamsError)
    assert "no such file" in read_refusal(read_yaml, tmp_path / "none.yaml", ParamsError)


def test_good_yaml_is_read(tmp_path):
    (tmp_path / "good.yaml").write_text("a: [1, 2.5]\nb: {c: text}\n")
    assert read_yaml(tmp_path / "good.yaml", ParamsError) == {"a": [1, 2.5], "b": {"c": "text"}}


class Inner(Frozen):
    count: int


class Outer(Frozen):
    inner: Inner
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"inner": {"count": 1}, "name": []}, "unknown key 'name'; remove it or use one of: inner, names"),
        ({"inner": {"count": 1, "counts": 2}}, "unknown key 'inner.counts'; remove it or use one of: count"),
        ({}, "key 'inner' is missing"),
        ({"inner": {"count": "1"}}, "inner.count: found '1'"),
        ({"inner": {"count": 1}, "names": ("a", 2)}, "names.1: found 2"),
        ({"inner": {"count": [10**5000]}}, "too large to show"),
    ],
)
def test_the_first_problem_is_named_by_its_key(data, said):
    message = read_refusal(validate, Outer, data, "file.yaml", ParamsError)
    assert message.startswith("file.yaml: ") and said in message
