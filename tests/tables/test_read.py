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
