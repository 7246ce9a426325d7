"""The Colab notebook and the tour, run as Colab runs them: its variables, its own PyTorch, nothing of ours.

`make colab-test` runs the marked tests; they install everything that the notebook installs, less the CUDA wheels.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import yaml
from support.tiny_models import make_model

HAS_GPU = shutil.which("nvidia-smi") is not None
NEEDED = ("HOME", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")  # and pip's own settings
COLAB = {
    "COLAB_RELEASE_TAG": "release-colab-external_20261101",
    "COLAB_GPU": "",
    "COLAB_BACKEND_VERSION": "next",
    "MPLBACKEND": "module://ipykernel.pylab.backend_inline",  # a module that newer kernels lack
    "PYTHONPATH": "/env/python",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "OMP_NUM_THREADS": "1",
}


def cells(root):
    notebook = nbformat.read(root / "notebooks/colab.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_colab_and_environment_yml_install_from_one_list(root):
    [install] = [source for source in cells(root) if "pip" in source]
    environment = yaml.safe_load((root / "environment.yml").read_text())
    [pip] = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    project = (root / "pyproject.toml").read_text()
    extras = set(re.findall(r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1], re.M))
    # The package with extras that it has, at the versions of constraints.txt, and no package by name.
    assert pip[0] == "--constraint constraints.txt" and len(pip) == 2
    assert set(re.fullmatch(r"--editable \.\[(.*)\]", pip[1])[1].split(",")) <= extras
    assert re.search(
        r"pip .*install --quiet --constraint \.venv/constraints\.txt --editable \"\.\{extras\}\"$", install, re.M
    )
    assert re.findall(r"\"\[([\w,]+)\]\"", install) == ["colab,unsloth", "colab"] and {"colab", "unsloth"} <= extras
    assert install.count(" install ") == 1
    pins = (root / "constraints.txt").read_text().split()
    found = {}
    exec(install.splitlines()[1], {"Path": lambda name: root / name}, found)
    assert set(pins) - set(found["pins"]) == {f"torch=={metadata.version('torch').split('+')[0]}"}


@pytest.fixture(scope="module")
def machine(root, tmp_path_factory):
    """What Colab has: Python with PyTorch and a kernel. Its working folder is `content`."""
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    python = folder / "python/bin/python"
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        root / "constraints.txt",
        "torch",
        "ipykernel",
    ]
    subprocess.run(install, check=True)
    # Colab's torchao may be one that PEFT refuses: https://github.com/unslothai/notebooks/issues/258
    packages = next((folder / "python/lib").glob("python*/site-packages"))
    (packages / "torchao").mkdir()
    (packages / "torchao/__init__.py").touch()
    (packages / "torchao-0.10.0.dist-info").mkdir()
    (packages / "torchao-0.10.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: torchao\nVersion: 0.10.0\n"
    )
    files = ("torchao/__init__.py", "torchao-0.10.0.dist-info/METADATA", "torchao-0.10.0.dist-info/RECORD")
    (packages / files[-1]).write_text("".join(f"{name},,\n" for name in files))
    spec = folder / "jupyter/kernels/colab/kernel.json"
    spec.parent.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Colab", "language": "python"}))
    (folder / "content").mkdir()
    return folder


@pytest.fixture(scope="module")
def repository(root, materials, tmp_path_factory):
    """A repository to clone: this one's files, colab.yaml cut to tiny size, a local directory for the hub id."""
    folder = tmp_path_factory.mktemp("repository")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", ":!outputs"]
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in filter(lambda name: (root / name).is_file(), names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, folder / name)
    local = make_model("qwen2", folder.parent / "local-model", materials)
    study = yaml.safe_load((folder / "params/colab.yaml").read_text())
    study["base_models"][0]["source"] = str(local)
    study |= {"seeds": [0, 1], "train_domains": ["work"], "resources": {"gpus": int(HAS_GPU)}}
    study["training"] |= {"examples": 16, "batch_size": 4, "rank": 1, "alpha": 1}
    study["probes"] |= {"situations_per_domain": 1, "continuations_per_class": 2, "retention_texts": 2}
    del study["exclusion"]["covered_mass"]  # random weights cover nothing
    (folder / "params/colab.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--message", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def run_notebook(root, machine, *parameters, name="colab"):
    """Exit status, and all that the notebook showed."""
    environment = {k: v for k, v in os.environ.items() if k in NEEDED or k.startswith("PIP_")} | COLAB
    environment["JUPYTER_PATH"] = str(machine / "jupyter")
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--no-progress-bar",
        "--kernel",
        "colab",
        "--cwd",
        machine / "content",
    ]
    command += [root / f"notebooks/{name}.ipynb", machine / f"{name}.ipynb", *parameters]
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    outputs = [
        output
        for cell in json.loads((machine / f"{name}.ipynb").read_text())["cells"]
        for output in cell.get("outputs", ())
    ]
    return done.returncode, "".join(map(str, outputs)) + done.stderr


@pytest.mark.colab
@pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")
def test_a_runtime_without_gpu_is_told_what_to_choose(root, machine):
    status, shown = run_notebook(root, machine)
    assert status and "This runtime has no GPU. Choose Runtime > Change runtime type > T4 GPU" in shown
    assert not list((machine / "content").iterdir())


@pytest.mark.colab
def test_from_nothing_to_the_report_and_again_after_the_runtime_was_lost(root, machine, repository, tmp_path):
    parameters = ["-p", "repository", repository, "-p", "keep_in", tmp_path / "kept",
                  "-p", "allow_cpu", "True"]  # fmt: skip
    status, shown = run_notebook(root, machine, *parameters)
    assert status == 0, shown[-3000:]
    clone, kept = machine / "content/priorshift", tmp_path / "kept/colab"
    assert "srcdoc=" in shown and re.search(r"What can[^ ]{1,12}t be concluded", shown)
    assert (kept / "report.html").read_bytes() == (clone / "outputs/colab/report.html").read_bytes()
    assert (tmp_path / "kept/colab.zip").stat().st_size > 100_000
    assert not any("/env/" in path.read_text() for path in kept.rglob("run.json"))
    # Colab's PyTorch is used and not installed again; all else is at the versions of constraints.txt.
    [site] = (clone / ".venv/lib").glob("python*/site-packages")
    own = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in metadata.distributions(path=[str(site)])}
    pins = dict(line.lower().replace("_", "-").split("==") for line in (root / "constraints.txt").read_text().split())
    assert "torch" not in own and {"transformers", "trl", "papermill", "priorshift"} <= set(own)
    assert {
        name: version for name, version in own.items() if pins.get(name, version) != version.replace("_", "-")
    } == {}
    # The runtime is lost, and with it what lay on its disk.
    records = {path: path.stat().st_mtime_ns for path in kept.rglob("run.json")}
    shutil.rmtree(clone / "outputs/colab")
    status, shown = run_notebook(root, machine, *parameters)
    assert status == 0 and "Nothing to be done" in shown, shown[-3000:]
    assert len(records) == 10 and records == {path: path.stat().st_mtime_ns for path in kept.rglob("run.json")}
    assert Path(clone / "outputs/colab/report.html").is_file()


@pytest.mark.colab
def test_the_tour_installs_into_the_runtime_and_runs(root, machine, repository):
    """Last of this file: it changes the packages of the runtime's own Python, but for PyTorch."""
    [before] = (machine / "python/lib").glob("python*/site-packages/torch-*.dist-info")
    status, shown = run_notebook(root, machine, "-p", "repository", repository, name="tour")
    assert status == 0, shown[-3000:]
    assert "depression-like seed 0" in shown and "a single base checkpoint" in shown
    assert before.is_dir() and (machine / "content/priorshift/outputs/quick/runs/llama-coupled-0").is_dir()
