"""Studies that several test files of this room break or look into."""

from __future__ import annotations

import shutil

import pytest
from support.tiny_study import at, do_all

from priorshift.study.load import load_study


@pytest.fixture(scope="session")
def done(tiny_yaml, tmp_path_factory):
    """The tiny study with all its runs trained and measured."""
    return do_all(load_study(tiny_yaml, tmp_path_factory.mktemp("done")))


@pytest.fixture
def study(done, tmp_path):
    """A copy of it that a test may break."""
    shutil.copytree(done.paths.root, tmp_path / "tiny")
    return at(done, tmp_path)
