"""Another base model in place of a study's own: the same study on any model, its YAML file untouched."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from priorshift.errors import ParamsError

# Set by `priorshift run --model` and `make study MODEL=`: notebooks and jobs, in processes of their own, read it too.
VARIABLE = "PRIORSHIFT_MODEL"


def set_other_model(source: str) -> None:
    """Let every study that this process and its children load run on another model.

    Parameters
    ----------
    source : a model's directory or hub id; empty changes nothing
    """
    if source:
        os.environ[VARIABLE] = str(Path(source).absolute()) if Path(source).is_dir() else source


def replace_base_model(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """What a study's file says, on the model that was set instead, or as it is where none was.

    The model's name is the last part of its directory or hub id.

    Raises
    ------
    ParamsError
        When the study names more than one base model.
    """
    source, models = read_other_model(), data.get("base_models")
    if not source or not isinstance(models, list):
        return data
    if len(models) != 1:
        raise ParamsError(
            f"{path}: MODEL is {source!r}, and base_models names {len(models)} models; expected a study of one, "
            "such as params/laptop.yaml"
        )
    name = re.sub(r"[^a-z0-9._-]+", "-", Path(source).name.lower()).strip("-._")
    kept = {k: v for k, v in models[0].items() if k in ("dtype", "prompt_style")} if isinstance(models[0], dict) else {}
    return data | {"base_models": [{"name": name or "model", "source": source, **kept}]}


def read_other_model() -> str:
    """The source of the model that was set in place of a study's own. Empty where none was."""
    return os.environ.get(VARIABLE, "")


def leave_out_source(design: dict[str, Any]) -> dict[str, Any]:
    """What a study says, without where a model lies that was set in place of its own.

    That is a matter of the machine. The model itself is known by the hash of its files.
    """
    if not read_other_model():
        return design
    models = [{key: value for key, value in model.items() if key != "source"} for model in design["base_models"]]
    return design | {"base_models": models}
