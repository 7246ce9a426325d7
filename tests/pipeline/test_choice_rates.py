"""Choice rates: measured once for a base model, and what a training set at its own rates stands on."""

from __future__ import annotations

import pytest
import yaml
from support.tiny_study import BASE

from priorshift.errors import RunError
from priorshift.files import read_record, write_record
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.training_sets import read_examples
from priorshift.study.load import load_study


@pytest.fixture
def with_prior(tiny_yaml, tmp_path):
    """The tiny study with a condition drawn at the base model's own choice rates."""
    data = yaml.safe_load(tiny_yaml.read_text())
    data["conditions"]["random_prior"] = {"task": "decisions", "policy": "prior"}
    path = tiny_yaml.with_name("with_prior.yaml")
    path.write_text(yaml.safe_dump(data | {"seeds": [0]}, sort_keys=False))
    yield load_study(path, tmp_path)
    path.unlink()


def test_choice_rates_are_measured_once_and_make_the_training_set(with_prior):
    [run] = with_prior.select(BASE, "random_prior", 0)
    path = with_prior.paths.choice_rates(BASE)
    synthesize_runs(with_prior, [run])
    record, before = read_record(path), path.stat().st_mtime_ns
    assert set(record["rates"]) == set(with_prior.materials.classes)
    assert sum(record["rates"].values()) == pytest.approx(1) and all(0 < p < 1 for p in record["rates"].values())
    assert with_prior.paths.data("random_prior", 0, BASE).is_dir()  # of this base model alone
    synthesize_runs(with_prior, [run])
    assert path.stat().st_mtime_ns == before
    # Other rates make another training set.
    write_record(path, record | {"rates": dict.fromkeys(record["rates"], 1 / 3)})
    with pytest.raises(RunError, match=r"changed: choice_rates"):
        read_examples(with_prior, run)
