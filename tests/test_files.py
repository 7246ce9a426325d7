"""Files are written whole or not at all, and what a record holds is what was written."""

from __future__ import annotations

import hashlib
import json
import os

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from priorshift.errors import RunError
from priorshift.files import (
    hash_file,
    hash_text,
    is_folder,
    read_record,
    remove,
    write_csv,
    write_json,
    write_parquet,
    write_record,
    write_text,
    write_whole,
)


def check_one_line(caught):
    assert "\n" not in str(caught.value) and "cannot be written" in str(caught.value)


@pytest.mark.parametrize("size", [0, 3, 1_000_003])
def test_a_file_s_hash_is_the_sha256_of_its_bytes(tmp_path, size):
    data = bytes(i * i % 251 for i in range(size))
    (tmp_path / "file").write_bytes(data)
    assert hash_file(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_a_text_s_hash_is_that_of_its_utf_8():
    assert hash_text("café") == hashlib.sha256(b"caf\xc3\xa9").hexdigest()


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "x" * 200_000),
        lambda path: write_json(path, {"text": "x" * 200_000}),
        lambda path: write_record(path, {"text": "x" * 200_000}),
        lambda path: write_csv(path, pd.DataFrame({"x": range(100_000)})),
        lambda path: write_parquet(path, pd.DataFrame({"x": range(100_000)})),
    ],
    ids=["text", "json", "record", "csv", "parquet"],
)
def test_a_full_disk_leaves_what_was_there(full_disk, write):
    path = full_disk / "tables" / "file"
    path.parent.mkdir(parents=True)
    path.write_text("what was there")
    with pytest.raises(RunError) as caught:
        write(path)
    check_one_line(caught)
    assert path.read_text() == "what was there"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_no_half_folder(full_disk):
    with pytest.raises(RunError) as caught, write_whole(full_disk / "runs" / "seed-0") as temporary:
        temporary.mkdir()
        (temporary / "small").write_text("x")
        (temporary / "large").write_bytes(b"x" * 200_000)
    check_one_line(caught)
    assert list((full_disk / "runs").iterdir()) == []


def test_a_read_only_folder_is_one_line(read_only):
    with pytest.raises(RunError) as caught:
        write_text(read_only / "run.json", "x")
    check_one_line(caught)


def test_a_file_where_the_folder_belongs_is_one_line(tmp_path):
    (tmp_path / "outputs").write_text("not a folder")
    with pytest.raises(RunError) as caught:
        write_text(tmp_path / "outputs" / "smoke" / "run.json", "x")
    check_one_line(caught)


def test_an_error_inside_the_block_leaves_nothing_and_is_passed_on(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "kept").write_text("x")
    with pytest.raises(KeyError), write_whole(tmp_path / "run") as temporary:
        temporary.mkdir()
        raise KeyError
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["run", "run/kept"]


def test_a_folder_replaces_a_folder_whole(tmp_path):
    for name in ("old", "new"):
        with write_whole(tmp_path / "run") as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["new"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_a_record_is_read_as_it_was_written(tmp_path, data):
    # A lone surrogate is text in Python and no text in a file.
    if "\\ud" not in json.dumps(data):
        write_record(tmp_path / "record.json", data)
        assert read_record(tmp_path / "record.json") == data


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_byte_of_a_record_is_found(tmp_path, data):
    path = tmp_path / "record.json"
    write_record(path, {"inputs": {"a": "b"}, "losses": [0.5, 1e-9]})
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    assert read_record(path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", "NaN", "[" * 100_000, '{"a": 1}', "\ufeff{}"])
def test_what_was_not_written_as_a_record_is_none(tmp_path, text):
    assert read_record(tmp_path / "missing.json") is None
    (tmp_path / "record.json").write_text(text)
    assert read_record(tmp_path / "record.json") is None


def test_tables_are_read_as_they_were_written(tmp_path):
    table = pd.DataFrame({"name": ["a", "b,c"], "value": [1 / 3, 123456789.0]})
    write_csv(tmp_path / "table.csv", table)
    assert (tmp_path / "table.csv").read_bytes() == b'name,value\na,0.333333\n"b,c",1.23457e+08\n'
    write_parquet(tmp_path / "table.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)


def test_removing_takes_folders_whole_but_follows_no_link(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    for name in ("link", "folder", "missing"):
        remove(tmp_path / name)
    assert os.listdir(tmp_path) == ["kept"] and (tmp_path / "kept" / "file").exists()


def test_what_is_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    assert is_folder(tmp_path)
    assert not any(is_folder(tmp_path / name) for name in ("file", "missing", "x" * 1000, "a\0b"))
