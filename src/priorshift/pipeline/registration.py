"""A study's registration: its whole design in a dated file, written before the data, and what its claims may be called.

Only the design is compared. The version of the analysis is written down beside it. A later correction of a text in the
report must not make a registration void, but a reader should see that the code has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml
from pydantic import Field

from priorshift import __version__
from priorshift.errors import ParamsError
from priorshift.files import hash_text, write_text
from priorshift.machine import read_clock
from priorshift.models.files import hash_base_model, locate
from priorshift.pipeline.code_hash import TESTS, hash_code
from priorshift.pipeline.records import find_first_measurement
from priorshift.stats.declared import DECLARED, sort_claims
from priorshift.study.inference import Claim
from priorshift.study.load import Study
from priorshift.study.sections import BaseModelParams
from priorshift.yaml_files import Frozen, read_yaml, validate

FOLDER = "registrations"  # beside the study's YAML file
DIGITS = 12  # of the hash, in a table
CONFIRMATORY = "confirmatory"  # the role of a declared claim, once its design was registered before its data
STANDING = ["registration", "status", "registered", "sha256", "differs", "late", "analysis"]
HEAD = """\
# The registered design of the study `{study}`, written by `priorshift register`. Keep it as it is, and commit it:
# the date is this file's own, and a public commit or deposit shows it to others.
# sha256 stands for all that is under `design`.
"""


class Registration(Frozen):
    """A registration file.

    Attributes
    ----------
    study : the study's name
    registered : when it was written (UTC)
    sha256 : of the design
    analysis : the version of this package, and the hash of the code that makes tests of measurements
    design : part -> what the study's file says of it, defaults too; of the materials their hash
    """

    study: str
    registered: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    sha256: str
    analysis: dict[str, str]
    design: dict[str, Any]


def make_design(study: Study) -> dict[str, Any]:
    """Everything that was decided before any result: part -> what the study's file says of it.

    The order of keys and of claims in the file plays no part, nor do comments, `shard`, `resources` and `analyses`.
    """
    params = study.params
    inference = params.inference.model_dump(mode="json", exclude={"claims"})
    rest = params.model_dump(mode="json", exclude={"study", "materials", "base_models", "inference"})
    return {
        "claims": [_write_out(claim) for claim in sort_claims(params.inference)],
        **inference,
        "base_models": [_describe_base_model(model) for model in params.models],
        **rest,
        "reference": params.neutral,  # the first neutral condition: the order of conditions is told by this alone
        "materials": study.materials_hash,
    }


def _describe_base_model(model: BaseModelParams) -> dict[str, Any]:
    """What the study's file says of a base model. Of a model's folder its content, for it may lie anywhere."""
    said = model.model_dump(mode="json")
    folder, card = locate(model)
    return said if card or not isinstance(folder, Path) else said | {"source": f"sha256 {hash_base_model(model)}"}


def _write_out(claim: Claim) -> dict[str, Any]:
    """A claim with its defaults in words."""
    way = {"direction": claim.direction or "either"} if claim.claim == "shift" else {}
    return claim.model_dump(mode="json") | way | {"worlds": sorted(claim.worlds) if claim.worlds else "all"}


def hash_design(design: Mapping[str, Any]) -> str:
    """SHA-256 of a design, as hex digits, whatever the order of its keys."""
    return hash_text(json.dumps(design, sort_keys=True))


def list_differences(design: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The parts in which two designs differ."""
    parts = dict.fromkeys([*design, *other])
    return [part for part in parts if design.get(part) != other.get(part)]


def locate_registration(study: Study) -> Path:
    """Where a study's registration lies: beside its YAML file, since both are committed."""
    return study.folder / FOLDER / f"{study.params.study}.yaml"


def read_registration(study: Study) -> Registration | None:
    """Read a study's registration. None where there is none.

    Raises
    ------
    ParamsError
        When the file is damaged, or its design is no longer the one that its hash stands for.
    """
    path = locate_registration(study)
    if not path.exists():
        return None
    data = read_yaml(path, ParamsError)
    if not isinstance(data, dict):
        raise ParamsError(
            f"{path}: found {type(data).__name__}; expected a map of keys: restore the file as it was written"
        )
    found = validate(Registration, data, str(path), ParamsError)
    if (now := hash_design(found.design)) != found.sha256:
        raise ParamsError(
            f"{path}: sha256 is {found.sha256[:DIGITS]}, and the design below it has {now[:DIGITS]}; restore the file "
            "as it was written"
        )
    return found


def register_study(study: Study) -> Registration:
    """Write a study's registration. Where the same design is registered already, nothing is written.

    Raises
    ------
    ParamsError
        When another design is registered under the study's name.
    """
    design, path = make_design(study), locate_registration(study)
    if found := read_registration(study):
        if differing := list_differences(found.design, design):
            raise ParamsError(
                f"{path}: found another design, registered {found.registered} ({', '.join(differing)} differ); give "
                "this study a new name, or delete the file by hand"
            )
        return found
    made = Registration(
        study=study.params.study,
        registered=read_clock(),
        sha256=hash_design(design),
        analysis={"priorshift": __version__, "code": hash_code(TESTS)},
        design=design,
    )
    text = yaml.safe_dump(made.model_dump(), sort_keys=False, allow_unicode=True, width=120)
    write_text(path, HEAD.format(study=study.params.study) + text)
    return made


def tabulate_registration(study: Study) -> pd.DataFrame:
    """Tabulate in one row whether a study's claims were registered before its data.

    Returns
    -------
    DataFrame
        Columns `STANDING`. status: `registered` where the registered design is the study's, and is older than the
        first measurement in its folder; else `declared`. registration: the first digits of the design's hash, empty
        unless registered. registered (UTC) and sha256: what a registration says, if there is one. differs: parts in
        which the design run is another. late: it is not older than the first measurement. analysis: whether the code
        of the tests is the `same` as then, or `other`.
    """
    found = read_registration(study)
    if found is None:
        return pd.DataFrame([["", DECLARED, "", "", "", False, ""]], columns=STANDING)
    differs = ", ".join(list_differences(found.design, make_design(study)))
    first = find_first_measurement(study)
    late = first is not None and not found.registered < first
    holds = not differs and not late
    analysis = "same" if found.analysis.get("code") == hash_code(TESTS) else "other"
    short, status = (found.sha256[:DIGITS], "registered") if holds else ("", DECLARED)
    row = [short, status, found.registered, found.sha256, differs, late, analysis]
    return pd.DataFrame([row], columns=STANDING)


def mark_registration(tables: Mapping[str, pd.DataFrame], standing: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Put the registration's hash into tables of claims, and call declared claims confirmatory where it holds.

    Parameters
    ----------
    standing : `tabulate_registration`
    """
    short, made = standing["registration"].iloc[0], {}
    for name, table in tables.items():
        if short and "role" in table:
            table = table.assign(role=table["role"].replace(DECLARED, CONFIRMATORY))
        made[name] = table.assign(registration=short)
    return made
