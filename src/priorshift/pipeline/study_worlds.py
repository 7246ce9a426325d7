"""The calibration worlds that a study's `mechanism.prior_fit` names: their files, and their generators."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from priorshift.errors import ParamsError
from priorshift.materials.load import list_materials_files
from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.study.load import Study, locate_inside
from priorshift.worlds.generator import World, make_worlds
from priorshift.worlds.params import load_world_params, load_worlds


def list_worlds_files(study: Study) -> list[Path]:
    """The worlds file and every file of its materials. Without `mechanism.prior_fit` none.

    Raises
    ------
    ParamsError
        When one of them leads out of the study's folder, or the worlds file is broken.
    """
    if not (study.params.mechanism and study.params.mechanism.prior_fit):
        return []
    named, file = study.params.mechanism.prior_fit.worlds, study.folder / study.file
    path = locate_inside(file, named)
    folder = locate_inside(file, str((path.parent / load_world_params(path).materials).absolute()))
    return [path, *list_materials_files(folder)]


def load_study_worlds(study: Study) -> dict[str, World]:
    """Load the generators of the worlds that `mechanism.prior_fit` names.

    Raises
    ------
    ParamsError
        When a file leads out of the study's folder, or when the worlds can't say how probable the study's items are.
    """
    path = list_worlds_files(study)[0]
    params, theirs = load_worlds(path)
    if unlike := _find_unlike(study, theirs):
        raise ParamsError(
            f"mechanism.prior_fit.worlds: {path} is made from {params.materials!r}, and {unlike}; "
            "name worlds that know the study's items"
        )
    return make_worlds(theirs, params)


def _find_unlike(study: Study, theirs: Materials) -> str | None:
    """What of a study's items the worlds do not know. None where they know all."""
    own = study.materials
    if own.dispositions != theirs.dispositions or not set(own.domains) <= set(theirs.domains):
        return f"{study.params.materials!r} has other dispositions or domains"
    for family in set(study.params.probes.families) - {NEXT_WORDS}:
        told = theirs.get_continuations(family) if family in theirs.list_families() else {}
        for name, phrases in own.get_continuations(family).items():
            if unknown := [phrase for phrase in phrases if phrase not in told.get(name, ())]:
                return f"lacks the {family} {unknown[0]!r} ({name}) of {study.params.materials!r}"
    for _, situation in own.list_situations(tuple(own.domains)):
        counts = Counter(map(len, own.list_actions(situation).values()))
        if len(counts) > 1:
            return f"{situation!r} of {study.params.materials!r} has not as many actions of each class"
    return None
