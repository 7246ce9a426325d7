"""The command `priorshift`: check, register, plan, run, report, play with, verify and bundle a study."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from priorshift.errors import ParamsError, RunError, UserError
from priorshift.study.load import Study, load_study
from priorshift.study.other_model import read_other_model, set_other_model
from priorshift.yaml_files import read_yaml

# Other modules are imported where a command needs them: most commands start in a moment without torch.

app = typer.Typer(
    help="Does teaching a language model to act change what it expects?",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
OtherModel = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="a model's folder or hub id, in place of the study's one model")
]
StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="a study's YAML file, such as params/embedded.yaml")]


@app.command()
def check(
    study: StudyFile,
    model: OtherModel = "",
    coverage: Annotated[
        bool, typer.Option("--coverage", help="load each base model; measure what the candidates hold")
    ] = False,
) -> None:
    """Check materials and base models, and say what the study takes.

    A worlds file may be given too.
    """
    set_other_model(model)
    found = read_yaml(study, ParamsError)
    if isinstance(found, dict) and "pretraining" in found:
        _check_worlds(study)
        return
    loaded = load_study(study)
    _check_study(loaded)
    if coverage:
        from priorshift.pipeline.coverage import describe_base_coverage

        for base in loaded.params.models:
            print(describe_base_coverage(loaded, base), flush=True)


@app.command()
def register(study: StudyFile, model: OtherModel = "") -> None:
    """Write the study's whole design to a dated file.

    Before its first measurement, so that its claims may be called confirmatory. The file is committed with the study.
    """
    from priorshift.pipeline.records import find_first_measurement
    from priorshift.pipeline.registration import locate_registration, read_registration, register_study

    set_other_model(model)
    loaded = load_study(study)
    word = "registered already" if read_registration(loaded) else "registered"
    made, first = register_study(loaded), find_first_measurement(loaded)
    print(f"{word}, {made.registered}: {locate_registration(loaded)} (SHA-256 {made.sha256})")
    for base in loaded.params.models:
        if not (base.revision or base.source.startswith("embedded:") or Path(base.source).is_dir()):
            print(f"note: {base.name} has no revision, so the registration does not bind its weights")
    if first is not None and not made.registered < first:
        print(f"note: a run was measured already, {first or 'at no known date'}; the claims stay `declared`")


@app.command()
def plan(study: StudyFile, model: OtherModel = "") -> None:
    """Say what is done, what is to do, and why. Write nothing."""
    from priorshift.pipeline.environment import collect_settings, describe_settings
    from priorshift.pipeline.plan import describe_plan, make_plan

    set_other_model(model)
    loaded = load_study(study)
    print(describe_plan(make_plan(loaded)))
    print(describe_settings(collect_settings(loaded)))


@app.command()
def run(
    study: StudyFile,
    options: Annotated[
        list[str] | None, typer.Argument(metavar="OPTIONS", help="options of Snakemake, after --")
    ] = None,
    profile: Annotated[str, typer.Option(help="where jobs run: a folder of workflow/profiles, local or slurm")] = "",
    cores: Annotated[str, typer.Option(help="processor cores to use: a number, or all")] = "all",
    model: OtherModel = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=NUMBER", help="runs_per_side, comparisons: of notebook 07")
    ] = None,
) -> None:
    """Run a study to its report. What is finished is kept.

    From the repository's root.
    """
    from priorshift.pipeline.execute import execute_study

    set_other_model(model)
    start, loaded = time.monotonic(), load_study(study)
    _check_study(loaded)
    _suggest_registration(loaded, study)
    if status := execute_study(loaded, str(study), cores, profile, settings or [], options or []):
        print("stopped, for the reason above; what is done is kept, and the same command goes on", file=sys.stderr)
        raise typer.Exit(max(status, 1))
    seconds = round(time.monotonic() - start)
    result = loaded.paths.report if loaded.paths.report.exists() else loaded.paths.tables
    print(f"finished in {seconds // 3600} h {seconds % 3600 // 60} min {seconds % 60} s: {result}")


@app.command()
def report(study: StudyFile) -> None:
    """Make report.html and its figures from the study's tables."""
    from priorshift.page.render import write_report

    loaded = _load_as_made(study)
    write_report(loaded)
    print(f"report: {loaded.paths.report}")


@app.command()
def play(
    study: StudyFile,
    port: Annotated[int, typer.Option(metavar="PORT", help="of the page; a free one where 0")] = 0,
    model: OtherModel = "",
) -> None:
    """Open a page on this machine alone: type a stem, and see what a finished study's runs say next."""
    set_other_model(model)
    try:
        from priorshift.playground.page import serve
    except ModuleNotFoundError as problem:
        raise UserError(f"play: {problem}; install its packages: pip install --editable '.[play]'") from None

    server = serve(str(study), port)
    print(f"playground: http://localhost:{server.port}/ (stop it with Ctrl-C)", flush=True)
    server.run_until_shutdown()


@app.command()
def verify(study: StudyFile) -> None:
    """Name every file that is not as the manifest says.

    Exits with 1 where there is one.
    """
    from priorshift.pipeline.environment import describe_differences
    from priorshift.pipeline.manifest import list_not_shipped, list_problems, read_settings

    loaded = _load_as_made(study)
    problems = list_problems(loaded)
    if mixed := describe_differences(read_settings(loaded)):
        print(mixed)
    if away := list_not_shipped(loaded):
        print(f"not here, as in a clone: {len(away)} files of which only the hashes are shipped ({away[0]}, ...)")
    print("\n".join(problems) or f"{loaded.paths.root}: every {'other ' if away else ''}file is as the manifest says")
    raise typer.Exit(1 if problems else 0)


@app.command()
def bundle(study: StudyFile) -> None:
    """Write one archive with what a reviewer needs (RO-Crate)."""
    from priorshift.pipeline.bundle import write_bundle

    loaded = _load_as_made(study)
    scales = loaded.params.probes.scales_csv
    print(f"bundle: {write_bundle(loaded)}{f' (without {scales}: its items may be licensed)' if scales else ''}")


# -- what the workflow calls -----------------------------------------------------------------------


@app.command(hidden=True)
def mark(study: StudyFile, notebook: str, shard: Annotated[str, typer.Argument()] = "") -> None:
    """Record that a notebook has just been executed on a shard of the runs."""
    from priorshift.pipeline.code_hash import NOTEBOOKS
    from priorshift.pipeline.plan import write_mark

    if notebook not in NOTEBOOKS:
        raise ParamsError(f"notebook: found {notebook!r}; expected one of {', '.join(NOTEBOOKS)}")
    write_mark(load_study(study), notebook, shard)


@app.command(hidden=True)
def manifest(study: StudyFile) -> None:
    """Write manifest.json, the hash of every file."""
    from priorshift.pipeline.manifest import write_manifest
    from priorshift.pipeline.plan import make_plan

    loaded = load_study(study)
    for job in make_plan(loaded):
        if job.reason:
            raise RunError(f"manifest: {job.name} is not finished ({job.reason}); run `make study` first")
    write_manifest(loaded)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`, by default this process's own. Returns the exit status.

    A mistake of the user's ends in one line and status 2.
    """
    try:
        return app(words, prog_name="priorshift", standalone_mode=False) or 0
    except UserError as problem:
        message = str(problem)
    except typer.TyperException as problem:  # of usage: an unknown option, say
        message = f"{problem.format_message()} See `priorshift --help`."
    print(f"error: {message}", file=sys.stderr)
    return 2


def _check_study(study: Study) -> None:
    """Say what the study takes, or raise what is wrong with its materials or base models."""
    from priorshift.materials.load import hash_materials, list_materials_folders
    from priorshift.models.base import explain_own_dtype, find_device
    from priorshift.models.files import check_folder, hash_base_model, locate
    from priorshift.models.hub import check_reachable
    from priorshift.pipeline.cost import describe_model, describe_work
    from priorshift.pipeline.cpu_cost import describe_minutes
    from priorshift.pipeline.lengths import check_study_lengths

    materials = study.folder / study.params.materials
    print(f"materials: {materials} follows every rule")
    print(describe_work(study), flush=True)
    if note := explain_own_dtype(study.params.training):
        print(f"note: {note}")
    known = {hash_materials(folder) for folder in list_materials_folders(materials)}
    for base in study.params.models:
        folder, card = locate(base)
        if card and card.get("materials_hash") not in known:
            print(f"note: {base.name} was pretrained on other materials; words that it lacks are refused later")
        if isinstance(folder, str):
            check_reachable(base)
        else:
            check_folder(folder)
            hash_base_model(base)
        if not base.source.startswith("embedded:"):
            print(f"  {describe_model(study, base)}", flush=True)
    check_study_lengths(study)
    if not study.params.resources.gpus and find_device() == "cpu":
        print(describe_minutes(study), flush=True)


def _suggest_registration(study: Study, file: Path) -> None:
    """Say that claims will be called declared, while there is still time: before anything is measured."""
    from priorshift.pipeline.records import find_first_measurement
    from priorshift.pipeline.registration import locate_registration

    registered = locate_registration(study).exists() or not study.params.inference.claims
    if not registered and find_first_measurement(study) is None:
        said = f"note: its claims will be called declared; to register them, stop and: priorshift register {file}"
        print(said, flush=True)


def _load_as_made(path: Path) -> Study:
    """A study on the model that its results were made with, by its manifest, where no other one is set."""
    from priorshift.files import read_record

    study = load_study(path)
    made_with = (read_record(study.paths.manifest) or {}).get("other_model", "")
    if not made_with or read_other_model():
        return study
    set_other_model(made_with)
    return load_study(path)


def _check_worlds(path: Path) -> None:
    """Say that a worlds file and its materials fit each other, and what is to be pretrained."""
    from priorshift.worlds.params import load_worlds

    params, _ = load_worlds(path)
    models = params.pretraining.list_models()
    tokens = sum(params.pretraining.tokens[f"{architecture}-{world}"] for architecture, world, _ in models)
    print(f"materials: {path.parent / params.materials} follows every rule")
    print(f"{path}: {len(models)} base models, {tokens:,} tokens to pretrain on")
