"""Tables are read as they were written."""

from __future__ import annotations

import numpy as np
import pandas as pd

from priorshift.files import write_csv
from priorshift.tables.read import read_tables


def test_names_that_look_like_nothing_survive_a_table(tmp_path):
    names = ["None", "NA", "null", "007", "neutral"]
    table = pd.DataFrame({"world": "", "condition": names, "estimate": [0.5, np.nan, 1, 2, 3], "role": "exploratory"})
    write_csv(tmp_path / "a.csv", table)
    pd.testing.assert_frame_equal(read_tables(tmp_path)["a"], table)


def test_what_a_registration_leaves_empty_is_text_and_a_verdict_stays_a_verdict(tmp_path):
    empty = dict.fromkeys(("registration", "registered", "sha256", "differs", "analysis"), "")
    holds = pd.array([True, False, None], dtype="boolean")
    write_csv(tmp_path / "a.csv", pd.DataFrame({"direction": ["increase", "", ""], "holds": holds, **empty}))
    found = read_tables(tmp_path)["a"]
    assert found[list(empty)].eq("").all(axis=None) and found["direction"].tolist() == ["increase", "", ""]
    assert found["holds"][:2].tolist() == [True, False] and pd.isna(found["holds"][2])
    write_csv(tmp_path / "a.csv", pd.DataFrame({"registration": ["000123456789"]}))  # a hash may look like a number
    assert read_tables(tmp_path)["a"]["registration"].tolist() == ["000123456789"]
