"""Another machine gives the same tables: another BLAS kernel, another number of threads, no vector instructions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support.analysis_step import write_all

# What stands for another machine on this one: kernels of another processor add up in another order (matrix products
# and eigenvalues differ in their last digits), and so do two threads.
OTHER = {
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
}
CLOSE = 1e-4


def read(folder):
    return {path.relative_to(folder): pd.read_csv(path) for path in sorted(folder.rglob("*.csv"))}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 kernels and instructions")
def test_every_number_of_every_table_is_the_same(root, done, tmp_path):
    study = str(done.folder / done.file), str(done.paths.root.parent)
    write_all(*study, tmp_path / "here")
    place = {"PYTHONPATH": os.pathsep.join([str(root / "tests"), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(root / "tests/support/analysis_step.py"), *study, str(tmp_path / "there")]
    made = subprocess.run(command, capture_output=True, text=True, env=os.environ | place | OTHER)
    assert made.returncode == 0, made.stderr[-2000:]
    here, there = read(tmp_path / "here"), read(tmp_path / "there")
    assert set(there) == set(here) and len(here) > 25
    compared = 0
    for name, table in here.items():
        other = there[name]
        assert list(other) == list(table) and len(other) == len(table), name
        numeric = table.select_dtypes("number").columns
        pd.testing.assert_frame_equal(other.drop(columns=numeric), table.drop(columns=numeric), obj=str(name))
        for column in numeric:
            one, two = (frame[column].to_numpy(float) for frame in (table, other))
            np.testing.assert_allclose(two, one, rtol=CLOSE, atol=0, err_msg=f"{name}: {column}")
            compared += len(one)
    assert compared > 5000
