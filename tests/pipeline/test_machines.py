"""Another machine gives the same tables: another BLAS kernel, another number of threads, no vector instructions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

# What stands for another machine on this one: kernels of another processor add up in another order (matrix products
# and eigenvalues differ in their last digits), and so do two threads.
OTHER = {
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
}
CLOSE = 1e-4


def analyse(root, study, folder, **variables):
    """The tables of the analysis, made in a process with these environment variables."""
    script = root / "tests/support/analysis_step.py"
    place = {"PYTHONPATH": os.pathsep.join([str(root / "tests"), os.environ.get("PYTHONPATH", "")])}
    plain = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(study.folder / study.file), str(study.paths.root.parent), str(folder)],
        capture_output=True, text=True, env=os.environ | place | plain | variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return {path.relative_to(folder): pd.read_csv(path) for path in sorted(folder.rglob("*.csv"))}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 kernels and instructions")
def test_every_number_of_every_table_is_the_same(root, done, tmp_path):
    here, there = analyse(root, done, tmp_path / "here"), analyse(root, done, tmp_path / "there", **OTHER)
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
