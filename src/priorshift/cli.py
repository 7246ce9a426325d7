"""The command `priorshift`: check, plan, run, report, verify and bundle a study."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from priorshift.errors import ParamsError, RunError, UserError
from priorshift.study.load import load_study
from priorshift.yaml_files import read_yaml

# Other modules are imported where a command needs them: most commands start in a moment without torch.

app = typer.Typer(
    help="Does teaching a language model to act change what it expects?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
StudyFile = Annotated[str, typer.Argument(metavar="STUDY", help="a study's YAML file, such as params/embedded.yaml")]
SNAKEFILE = Path("workflow/Snakefile")


@app.command()
def check(study: StudyFile) -> None:
    """Say that the materials are sound and what the study takes, or what is wrong; a worlds file may be given too."""
    from priorshift.materials.load import materials_hash
    from priorshift.models.files import base_hash, check_folder, locate
    from priorshift.pipeline.cost import describe_cost

    if _is_worlds(study):
        _check_worlds(study)
        return
    loaded = load_study(study)
    print(f"materials: {loaded.folder / loaded.params.materials} follows every rule")
    print(describe_cost(loaded), flush=True)
    ours = materials_hash(loaded.folder / loaded.params.materials)
    for model in loaded.params.models:
        folder, card = locate(model)
        if card and card.get("materials_hash") != ours:
            print(f"note: {model.name} was pretrained on other materials; words that it lacks are refused later")
        if isinstance(folder, str):
            from priorshift.models.hub import check_reachable

            check_reachable(model)
        else:
            check_folder(folder)
            base_hash(model)


@app.command()
def plan(study: StudyFile) -> None:
    """Say what is done, what is to do and why; run and write nothing."""
    from priorshift.pipeline.environment import describe_settings, made_with
    from priorshift.pipeline.plan import describe, make_plan

    loaded = load_study(study)
    print(describe(make_plan(loaded)))
    print(describe_settings(made_with(loaded)))


@app.command()
def run(
    study: StudyFile,
    profile: Annotated[str, typer.Option(help="where jobs run: a folder of workflow/profiles, local or slurm")] = "",
    cores: Annotated[str, typer.Option(help="processor cores to use: a number, or all")] = "all",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="runs_per_side, comparisons: of notebook 07")
    ] = None,
) -> None:
    """Run a study to its report; what is finished is kept. From the repository's root."""
    if not SNAKEFILE.is_file():
        raise RunError(f"{SNAKEFILE}: no such file in {Path.cwd()}; run this command in the repository's root")
    check(study)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--cores", cores, "--nolock"]
    command += ["--ignore-incomplete", "--rerun-triggers", "mtime", "--quiet", "rules"]
    command += ["--config", f"study={study}", *(settings or [])]
    command += ["--workflow-profile", f"workflow/profiles/{profile}"] if profile else []
    raise typer.Exit(subprocess.run(command, env=_environment()).returncode)


@app.command()
def report(study: StudyFile) -> None:
    """Make report.html from the executed notebook."""
    from priorshift.report.html import write_report

    loaded = load_study(study)
    write_report(loaded)
    print(f"report: {loaded.paths.report}")


@app.command()
def verify(study: StudyFile) -> None:
    """Name every file that is not as the manifest says; exit with 1 where there is one."""
    from priorshift.pipeline.environment import differences
    from priorshift.pipeline.manifest import list_problems, not_shipped, settings_of

    loaded = load_study(study)
    problems = list_problems(loaded)
    if mixed := differences(settings_of(loaded)):
        print(mixed)
    if away := not_shipped(loaded):
        print(f"not here, as in a clone: {len(away)} files of which only the hashes are shipped ({away[0]}, ...)")
    print("\n".join(problems) or f"{loaded.paths.root}: every {'other ' if away else ''}file is as the manifest says")
    raise typer.Exit(1 if problems else 0)


@app.command()
def bundle(study: StudyFile) -> None:
    """Write one archive with what a reviewer needs (RO-Crate)."""
    from priorshift.pipeline.bundle import write_bundle

    loaded = load_study(study)
    scales = loaded.params.probes.scales_csv
    print(f"bundle: {write_bundle(loaded)}{f' (without {scales}: its items may be licensed)' if scales else ''}")


# -- what the workflow calls -----------------------------------------------------------------------


@app.command(hidden=True)
def mark(study: StudyFile, stage: str, piece: Annotated[str, typer.Argument()] = "") -> None:
    """Record that a stage's notebook has just been executed."""
    from priorshift.pipeline.jobs import STAGES
    from priorshift.pipeline.plan import write_mark

    if stage not in STAGES:
        raise ParamsError(f"stage: found {stage!r}; expected one of {', '.join(STAGES)}")
    write_mark(load_study(study), stage, piece)


@app.command(hidden=True)
def manifest(study: StudyFile) -> None:
    """Write manifest.json, the hash of every file."""
    from priorshift.pipeline.manifest import write_manifest
    from priorshift.pipeline.plan import make_plan

    loaded = load_study(study)
    for stage in make_plan(loaded):
        if stage.reason:
            raise RunError(f"manifest: {stage.name} is not finished ({stage.reason}); run `make study` first")
    write_manifest(loaded)


def main() -> None:
    """Run the command of the command line; user mistakes end in one line and exit status 2."""
    try:
        app(prog_name="priorshift")
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)


def _check_worlds(path: str) -> None:
    """Say that a worlds file and its materials fit each other, and what is to be pretrained."""
    from priorshift.worlds.params import load_worlds

    params, _ = load_worlds(path)
    shape = params.pretraining
    kinds = [f"{architecture}-{world}" for architecture in shape.architectures for world in shape.worlds]
    tokens = sum(shape.tokens[kind] for kind in kinds) * len(shape.seeds)
    print(f"materials: {Path(path).parent / params.materials} follows every rule")
    print(f"{path}: {len(kinds) * len(shape.seeds)} base models, {tokens:,} tokens to pretrain on")


def _is_worlds(path: str) -> bool:
    found = read_yaml(Path(path), ParamsError)
    return isinstance(found, dict) and "pretraining" in found


def _environment() -> dict[str, str]:
    """This one, with this Python's papermill first and one thread a job: the grid's jobs share the cores."""
    plain = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return plain | dict(os.environ) | {"PATH": path}
