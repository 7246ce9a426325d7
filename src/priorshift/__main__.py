"""Commands on a study: `python -m priorshift check|plan|mark|report|manifest|verify|bundle STUDY`."""

from __future__ import annotations

import sys
from pathlib import Path

from priorshift.errors import ParamsError, RunError, UserError
from priorshift.material_files import materials_hash
from priorshift.params import LoadedStudy, load_study
from priorshift.yamlio import read_yaml


def check(study: LoadedStudy) -> int:
    """Say that the materials are sound and what the study takes; its base models must be at hand or answer."""
    from priorshift.base_files import base_hash, check_folder, locate
    from priorshift.cost import describe_cost

    print(f"materials: {study.folder / study.params.materials} follows every rule")
    print(describe_cost(study), flush=True)
    ours = materials_hash(study.folder / study.params.materials)
    for model in study.params.models:
        folder, card = locate(model)
        if card and card.get("materials_hash") != ours:
            print(
                f"note: {model.name} was pretrained on other materials; words that it does not know are refused later"
            )
        if isinstance(folder, str):
            from priorshift.hub import reach  # only hub models pay for this import

            reach(model)
        else:
            check_folder(folder)
            base_hash(model)
    return 0


def check_worlds(path: str) -> int:
    """Say that a worlds file and its materials fit each other, and what is to be pretrained."""
    from priorshift.world_params import load_worlds  # only worlds pay for this import

    params, _ = load_worlds(path)
    shape = params.pretraining
    kinds = [f"{architecture}-{world}" for architecture in shape.architectures for world in shape.worlds]
    tokens = sum(shape.tokens[kind] for kind in kinds) * len(shape.seeds)
    print(f"materials: {Path(path).parent / params.materials} follows every rule")
    print(f"{path}: {len(kinds) * len(shape.seeds)} base models, {tokens:,} tokens to pretrain on")
    return 0


def plan(study: LoadedStudy) -> int:
    """Say what is done, what is to do and why; runs and writes nothing."""
    from priorshift.made_with import describe_settings, made_with
    from priorshift.plan import describe, make_plan

    print(describe(make_plan(study)))
    print(describe_settings(made_with(study)))
    return 0


def mark(study: LoadedStudy, stage: str, piece: str = "") -> int:
    """Record that a stage's notebook has just been executed."""
    from priorshift.grid import STAGES
    from priorshift.plan import write_mark

    if stage not in STAGES:
        raise ParamsError(f"stage: found {stage!r}; expected one of {', '.join(STAGES)}")
    write_mark(study, stage, piece)
    return 0


def report(study: LoadedStudy) -> int:
    """Make report.html from the executed notebook."""
    # Imported here: the other commands start in a moment without it.
    from priorshift.report import write_report

    write_report(study)
    print(f"report: {study.paths.report}")
    return 0


def manifest(study: LoadedStudy) -> int:
    """Write manifest.json, the hash of every file."""
    from priorshift.manifest import write_manifest
    from priorshift.plan import make_plan

    for stage in make_plan(study):
        if stage.reason:
            raise RunError(f"manifest: {stage.name} is not finished ({stage.reason}); run `make study` first")
    write_manifest(study)
    return 0


def verify(study: LoadedStudy) -> int:
    """Name every file that is not as the manifest says."""
    from priorshift.made_with import differences
    from priorshift.manifest import not_shipped, settings_of, verify

    problems = verify(study)
    if mixed := differences(settings_of(study)):
        print(mixed)
    if away := not_shipped(study):
        print(f"not here, as in a clone: {len(away)} files of which only the hashes are shipped ({away[0]}, ...)")
    print("\n".join(problems) or f"{study.paths.root}: every {'other ' if away else ''}file is as the manifest says")
    return 1 if problems else 0


def bundle(study: LoadedStudy) -> int:
    """Write one archive with what a reviewer needs."""
    from priorshift.bundle import write_bundle

    scales = study.params.probes.scales_csv
    print(f"bundle: {write_bundle(study)}{f' (without {scales}: its items may be licensed)' if scales else ''}")
    return 0


def _is_worlds(path: str) -> bool:
    found = read_yaml(Path(path), ParamsError)
    return isinstance(found, dict) and "pretraining" in found


COMMANDS = {command.__name__: command for command in (check, plan, mark, report, manifest, verify, bundle)}


def main(arguments: list[str]) -> int:
    """Run a command; user mistakes end in one line and exit status 2."""
    most = 4 if arguments[:1] == ["mark"] else 2
    least = 3 if most == 4 else 2
    if not least <= len(arguments) <= most or arguments[0] not in COMMANDS:
        print("usage: python -m priorshift check|plan|report|manifest|verify|bundle STUDY.yaml", file=sys.stderr)
        print("       python -m priorshift mark STUDY.yaml STAGE [PIECE]", file=sys.stderr)
        return 2
    command, study, *rest = arguments
    try:
        if command == "check" and _is_worlds(study):
            return check_worlds(study)
        return COMMANDS[command](load_study(study), *rest)
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
