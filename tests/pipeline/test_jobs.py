"""The grid in jobs: the same work whichever way it is cut, and nothing that a result depends on."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from papermill.cli import papermill
from support.kills import compare, kill_and_go_on
from support.kills import tables as tables_of
from support.study_runs import make_workplace, run_command, run_study

from priorshift.pipeline.code_hash import NOTEBOOKS
from priorshift.pipeline.jobs import count_threads, format_parameters, list_shards, list_shards_before
from priorshift.pipeline.manifest import list_problems
from priorshift.pipeline.plan import make_plan
from priorshift.study.load import load_study


@pytest.fixture
def by_run(write_study):
    """The smoke study by run, with an adapter trained twice and decisions in context."""

    def change(data):
        data["shard"] = "run"
        data["conditions"] |= {
            "in_context": {"task": "decisions", "policy": {"withdraw": 1.0}, "in_context": 2},
            "both": {"stages": ["depression", "paranoia"]},
        }

    return load_study(write_study(change))


def test_shards_hold_every_run_once(by_run, smoke):
    for loaded in (by_run, smoke):
        runs = loaded.select("all", "all", "all")
        for notebook in ("01_synthesize", "03_probe", "04_test"):
            assert [run for shard in list_shards(loaded, notebook).values() for run in shard] == runs
    assert list(list_shards(smoke, "02_train")) == ["llama-coupled-0", "gpt_neox-coupled-0"]
    assert list_shards(by_run, "03_probe")["llama-coupled-0/in_context/seed-1"] == [
        ("llama-coupled-0", "in_context", 1)
    ]
    assert not [shard for shard in list_shards(by_run, "02_train") if "in_context" in shard]


def test_run_waits_for_what_it_reads(by_run, smoke):
    model = "llama-coupled-0"
    assert list_shards_before(smoke, "02_train")[model] == [] and list_shards_before(smoke, "03_probe")[model] == [
        model
    ]
    training, probing = list_shards_before(by_run, "02_train"), list_shards_before(by_run, "03_probe")
    assert training[f"{model}/depression/seed-1"] == []
    assert training[f"{model}/both/seed-1"] == [f"{model}/depression/seed-1"]
    # Distributions are compared with the first neutral run's.
    reference = f"{model}/neutral/seed-0"
    assert probing[f"{model}/both/seed-1"] == [f"{model}/both/seed-1", reference]
    assert probing[reference] == [reference] and probing[f"{model}/in_context/seed-0"] == []


def test_jobs_on_hub_models_share_the_cores(write_study, smoke, model_folders):
    """Embedded models keep one thread: with more, sums are made in another order, and the last bits differ."""

    def change(data):
        data["base_models"] = [{"name": name, "source": str(model_folders[name])} for name in ("llama", "qwen2")]

    def threads(study, notebook, cores):
        return [count_threads(study, notebook, shard, cores) for shard in list_shards(study, notebook)]

    hub = load_study(write_study(change))
    assert [threads(hub, "02_train", cores) for cores in (1, 2, 3, 5, 8)] == [[1, 1], [1, 1], [1, 1], [2, 2], [4, 4]]
    assert threads(hub, "03_probe", 4) == [2, 2] and threads(hub, "01_synthesize", 4) == [4]
    assert threads(hub, "04_test", 4) == threads(hub, "05_report", 4) == [1]
    assert all(threads(smoke, notebook, 64) == [1] * len(list_shards(smoke, notebook)) for notebook in NOTEBOOKS)
    runs = load_study(write_study(lambda data: data.update(shard="run", resources={"cpus": 2})))
    assert threads(runs, "02_train", 4) == [2] * 16 and threads(runs, "02_train", 64) == [4] * 16
    on_gpus = load_study(write_study(lambda data: data.update(resources={"cpus": 2, "gpus": 1})))
    assert threads(on_gpus, "02_train", 64) == [2] * 16


def test_snakemake_gives_the_threads_that_are_counted(write_study, model_folders, root, tmp_path):
    """By its dry run, in a folder with what a clone has."""
    path = write_study(lambda data: data.update(base_models=[{"name": "one", "source": str(model_folders["llama"])}]))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "workflow/Snakefile"), "--dry-run"]
    command += ["--cores", "4", "--directory", str(tmp_path), "--config", f"study={path}"]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    jobs = dict(re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", said, re.MULTILINE))
    found = {rule: re.findall(r"threads: (\d+)", jobs[rule]) for rule in ("synthesize", "train", "probe", "analyse")}
    assert found == {"synthesize": ["4"], "train": ["4"], "probe": ["4"], "analyse": []}


def test_notebooks_are_asked_for_their_piece():
    assert format_parameters("") == ""
    assert format_parameters("llama-coupled-0") == "-r base_model llama-coupled-0"
    asked = "-r base_model seed-2b -r condition seed-1 -r seed 31"
    assert format_parameters("seed-2b/seed-1/seed-31") == asked


@pytest.mark.parametrize("name", ["025", "None", "True", "1e3", "1.50"])
def test_papermill_leaves_names_as_they_are(name, write_study, tmp_path):
    def rename(data):
        data["base_models"] = [{"name": name, "source": "embedded:llama-coupled-0"}]
        data["conditions"][name] = data["conditions"].pop("random_prior")
        data["inference"]["controls"] = ["neutral"]

    study = load_study(write_study(rename))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", metadata={"tags": ["parameters"]})])
    nbformat.write(notebook, tmp_path / "in.ipynb")
    asked = shlex.split(format_parameters(f"{name}/{name}/seed-1"))
    places = [str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb")]
    papermill([*places, *asked, "--prepare-only", "--kernel", "python3", "--language", "python"], standalone_mode=False)
    given = {}
    exec(nbformat.read(places[1], as_version=4).cells[1].source, given)
    assert study.select(given["base_model"], given["condition"], given["seed"]) == [(name, name, 1)]


def test_shard_and_resources_are_in_no_hash(write_study, smoke):
    other = load_study(write_study(lambda data: data.update(shard="run", resources={"gpus": 2, "hours": 0.5})))
    assert other.params.shard == "run" and other.params.resources.gpus == 2
    assert other.params_hash == smoke.params_hash


def test_plan_of_each_piece_names_its_work(by_run):
    jobs = {job.name: job for job in make_plan(by_run)}
    assert [step.name for step in jobs["02_train_llama-coupled-0/both/seed-1"].work] == [
        "runs/llama-coupled-0/both/seed-1"
    ]
    assert len(jobs) == 1 + 2 * 5 * 2 + 2 * 6 * 2 + 2


# What Snakemake, YAML, a shell and Snakemake's formatting would each read otherwise.
ODD = "params/tiny: it's {one} $file.yaml"


@pytest.fixture(scope="module")
def cut(root, tiny_yaml, tmp_path_factory):
    """The tiny study, each run in jobs of its own."""
    folder = make_workplace(root, tmp_path_factory.mktemp("by_run"))
    data = yaml.safe_load(tiny_yaml.read_text()) | {"shard": "run"}
    (folder / ODD).write_text(yaml.safe_dump(data, sort_keys=False))
    [end] = [line for line in run_study(folder, ODD).splitlines() if line.startswith("finished in ")]
    assert end.endswith(" s: outputs/tiny/report.html")
    return folder


@pytest.fixture(scope="module")
def whole(root, tiny_yaml, cut, tmp_path_factory):
    """The same study by base model, killed on the way. `make kill-test` does it with any number of kills."""
    folder, params = make_workplace(root, tmp_path_factory.mktemp("whole")), "params/tiny.yaml"
    shutil.copy(tiny_yaml, folder / params)
    for kept in kill_and_go_on(folder, params, seconds=30, kills=1, seed=0):
        compare(folder, params, kept, tables_of(cut / "outputs/tiny"))
    return folder


def test_by_run_is_by_base_model_killed_and_gone_on_byte_for_byte(cut, whole):
    found = {each: results(each / "outputs/tiny") for each in (cut, whole)}
    assert len([name for name in found[whole] if name.suffix == ".csv"]) >= 10
    # An adapter and four tables for each of four runs, and one table of the base model's.
    assert len([name for name in found[whole] if name.suffix != ".csv"]) == 5 * 4 + 1
    assert found[cut].keys() == found[whole].keys()
    assert not [name for name in found[whole] if found[cut][name] != found[whole][name]]


def results(outputs):
    """The bytes of every adapter, measurement and table."""
    suffixes = (".safetensors", ".parquet", ".csv")
    return {path.relative_to(outputs): path.read_bytes() for path in outputs.rglob("*") if path.suffix in suffixes}


def test_each_run_leaves_a_notebook_and_a_mark(cut):
    loaded = load_study(cut / ODD, cut / "outputs")
    assert list_problems(loaded) == []
    for notebook in ("02_train", "03_probe"):
        assert len(list_shards(loaded, notebook)) == 4
        for shard in list_shards(loaded, notebook):
            assert loaded.paths.mark(notebook, shard).exists()
            text = loaded.paths.executed(notebook, shard).read_text()
            assert "tiny: 1 runs" in text
    planned = run_command([sys.executable, "-m", "priorshift", "plan", ODD], cut)
    assert "0 of 11 jobs and 0 pieces of work to do" in planned


def test_other_shard_keeps_every_result(cut, tmp_path):
    folder = shutil.copytree(cut, tmp_path / "copy")
    path = folder / ODD
    path.write_text(path.read_text().replace("shard: run", "shard: base_model"))
    planned = run_command([sys.executable, "-m", "priorshift", "plan", ODD], folder)
    # The notebooks of whole base models are still to be shown; nothing is trained, measured or tested again.
    assert "2 of 5 jobs and 0 pieces of work to do" in planned


def test_unknown_piece_is_one_line(cut):
    command = [sys.executable, "-m", "priorshift", "mark", ODD, "02_train", "llama"]
    done = subprocess.run(command, cwd=cut, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "shard: found 'llama'; 02_train of 'tiny' has 4: 'llama-coupled-0/depression/seed-0'" in done.stderr
