"""Every wrong study or materials file ends in one clear line and writes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from priorshift.cli import main
from priorshift.errors import UserError
from priorshift.study.load import load_study


def setter(*path_and_value):
    """A change that sets data[a][b]... = value."""
    *path, last, value = path_and_value

    def change(data):
        for key in path:
            data = data[key]
        data[last] = value

    return change


def dropper(key):
    return lambda data: data.pop(key) and None


CLAIM = {"condition": "depression", "control": "neutral", "family": "interpretation", "outcome": "loss"}


def hub_model(**keys):
    return setter("base_models", [{"name": "hub", "source": "someone/model"} | keys])


BAD_STUDIES = {
    "unknown key": (setter("colour", "red"), "colour"),
    "unknown nested key": (setter("training", "ranks", 4), "ranks"),
    "missing key": (dropper("seeds"), "seeds"),
    "wrong type": (setter("training", "rank", "four"), "rank"),
    "number as text": (setter("training", "examples", "64"), "examples"),
    "float for a count": (setter("training", "epochs", 1.5), "epochs"),
    "negative rank": (setter("training", "rank", -4), "rank"),
    "zero learning rate": (setter("training", "learning_rate", 0.0), "learning_rate"),
    "negative weight decay": (setter("training", "weight_decay", -1.0), "weight_decay"),
    "warm-up of half a step": (setter("training", "warmup_steps", 0.5), "warmup_steps"),
    "dropout above 1": (setter("training", "dropout", 1.5), "dropout"),
    "odd examples": (setter("training", "examples", 63), "63"),
    "unknown target": (setter("training", "target", "heads"), "heads"),
    "no seeds": (setter("seeds", []), "seeds"),
    "seed twice": (setter("seeds", [0, 1, 0]), "0 is given twice"),
    "negative seed": (setter("seeds", [-1]), "seeds"),
    "boolean seed": (setter("seeds", [True]), "seeds"),
    "overlapping domains": (setter("train_domains", ["work", "school"]), "school"),
    "unknown domain": (setter("train_domains", ["work", "moon"]), "moon"),
    "too few held-out domains": (setter("held_out_domains", ["school", "family"]), "held_out_domains"),
    "unknown base model": (setter("base_models", ["llama-coupled-99"]), "llama-coupled-99"),
    "base model twice": (setter("base_models", ["llama-coupled-0", "llama-coupled-0"]), "twice"),
    "path as a study name": (setter("study", "../escape"), "../escape"),
    "unknown shard": (setter("shard", "seed"), "'run' or 'base_model'"),
    "list of shards": (setter("shard", ["run"]), "shard"),
    "unknown resource": (setter("resources", {"gpu": 1}), "resources.gpu"),
    "resources as a list": (setter("resources", [1]), "resources"),
    "half a GPU": (setter("resources", {"gpus": 0.5}), "resources.gpus"),
    "negative GPUs": (setter("resources", {"gpus": -1}), "resources.gpus"),
    "no core": (setter("resources", {"cpus": 0}), "resources.cpus"),
    "memory with its unit": (setter("resources", {"memory_gb": "16G"}), "resources.memory_gb"),
    "no memory": (setter("resources", {"memory_gb": 0}), "resources.memory_gb"),
    "time that is no number": (setter("resources", {"hours": float("nan")}), "resources.hours"),
    "time as text": (setter("resources", {"hours": "04:00:00"}), "resources.hours"),
    "claim that is no contrast": (setter("inference", "treatments", ["depression"]), "paranoia minus neutral"),
    "unknown analysis": (setter("analyses", ["08_more"]), "analyses"),
    "report without its tables": (setter("analyses", ["05_report"]), "04_test"),
    "unknown task": (setter("conditions", "neutral", "task", "poems"), "poems"),
    "unknown policy class": (setter("conditions", "paranoia", "policy", {"attack": 1.0}), "attack"),
    "policy does not sum to 1": (setter("conditions", "paranoia", "policy", {"guard": 0.7}), "0.7"),
    "decisions without a policy": (setter("conditions", "paranoia", {"task": "decisions"}), "needs a policy"),
    "preferences with a policy": (setter("conditions", "neutral", "policy", "uniform"), "takes no policy"),
    "condition without task or stages": (setter("conditions", "paranoia", {}), "needs a task"),
    "exposure without a policy": (setter("conditions", "paranoia", {"task": "exposure"}), "needs a policy"),
    "prose with a policy": (
        setter("conditions", "paranoia", {"task": "prose", "policy": "uniform"}), "takes no policy",
    ),
    "preferences by letter": (setter("conditions", "neutral", "answer", "letter"), "letter"),
    "prose in context": (setter("conditions", "neutral", {"task": "prose", "in_context": 3}), "in_context"),
    "no decision in context": (setter("conditions", "paranoia", "in_context", 0), "in_context"),
    "training in context": (
        setter("conditions", "neutral", {"task": "preferences", "in_context": 3, "training": {"rank": 2}}), "remove",
    ),
    "stages with a policy": (
        setter("conditions", "neutral", {"stages": ["depression", "paranoia"], "policy": "uniform"}), "nothing else",
    ),
    "a single stage": (setter("conditions", "neutral", {"stages": ["depression"]}), "stages"),
    "stage that is not above": (
        setter("conditions", "depression", {"stages": ["neutral", "paranoia"]}), "no condition above",
    ),
    "stage of stages": (
        setter("conditions", {"a": {"task": "prose"}, "b": {"stages": ["a", "a"]}, "c": {"stages": ["b", "a"]}}),
        "not one training",
    ),
    "stage that is not measured": (
        setter("conditions", {"a": {"task": "prose"}, "c": {"stages": ["a", "a", "a"]}}), "declare one",
    ),
    "unknown override": (setter("conditions", "neutral", "training", {"ranks": 2}), "ranks"),
    "override with examples": (setter("conditions", "neutral", "training", {"examples": 8}), "examples"),
    "negative layer": (setter("training", "layers", [-1]), "layers"),
    "unknown extra ring": (setter("probes", "rings", {"moon": 3}), "moon"),
    "too many in a ring": (setter("probes", "rings", {"narrator": 99}), "at most 10"),
    "unknown control": (setter("inference", "controls", ["nothing"]), "nothing"),
    "claim on unknown condition": (
        setter("inference", "confirmatory", [CLAIM | {"condition": "joy", "ring": "held_out_domains"}]), "joy",
    ),
    "claim on unknown outcome": (
        setter("inference", "confirmatory", [CLAIM | {"outcome": "gain", "ring": "held_out_domains"}]), "gain",
    ),
    "claim on unknown ring": (setter("inference", "confirmatory", [CLAIM | {"ring": "moon"}]), "moon"),
    "claim on unknown world": (
        setter("inference", "confirmatory", [CLAIM | {"ring": "held_out_domains", "worlds": ["real"]}]), "worlds",
    ),
    "claim of an unknown kind": (
        setter("inference", "confirmatory", [CLAIM | {"ring": "held_out_domains", "claim": "big"}]), "claim",
    ),
    "treatments left out where their default does not fit": (
        setter("conditions", {"paranoia": {"task": "prose"}, "neutral": {"task": "preferences"}}), "'depression'",
    ),
    "alpha above one half": (setter("inference", "alpha", 0.9), "alpha"),
    "unknown family": (setter("probes", "families", ["dream"]), "families"),
    "too many situations": (setter("probes", "situations_per_domain", 99), "99"),
    "materials that are not there": (setter("materials", "nowhere"), "nowhere"),
    "materials above the study": (setter("materials", "../params/materials/../.."), "leads out of the study's folder"),
    "materials at an absolute path": (setter("materials", "/etc"), "leads out of the study's folder"),
    "materials with a control character": (setter("materials", "mat\0erials"), "materials"),
    "infinite learning rate": (setter("training", "learning_rate", float("inf")), "learning_rate"),
    "share that is no number": (setter("training", "dropout", float("nan")), "dropout"),
    "seed beyond the generator's": (setter("seeds", [2**32]), "seeds"),
    "unknown backend": (setter("backend", "jax"), "backend: found 'jax'"),
    "backend that is a list": (setter("backend", ["peft"]), "backend"),
    "unknown prompt style": (hub_model(prompt_style="poem"), "prompt_style"),
    "unknown dtype": (hub_model(dtype="int3"), "dtype"),
    "4 bits as a number": (hub_model(load_in_4bit=4), "load_in_4bit"),
    "remote code": (hub_model(trust_remote_code=True), "trust_remote_code"),
    "revision with a control character": (hub_model(revision="a\nb"), "revision"),
    "chat with an embedded model": (hub_model(source="embedded:llama-coupled-0", prompt_style="chat"), "use raw"),
    "revision of an embedded model": (hub_model(source="embedded:llama-coupled-0", revision="a"), "for hub models"),
    "embedded model in 4 bits": (hub_model(source="embedded:llama-coupled-0", load_in_4bit=True), "remove it"),
    "gradient checkpointing as text": (setter("training", "gradient_checkpointing", "yes"), "gradient_checkpointing"),
    "base model that is no name": (setter("base_models", ["../escape"]), "base_models"),
    "condition called all": (setter("conditions", "all", {"task": "preferences"}), "conditions: one is named 'all'"),
    "condition called as a column": (setter("conditions", "stem", {"task": "preferences"}), "completions.csv"),
    "more decisions than there are": (
        setter("conditions", "neutral", {"task": "preferences", "in_context": 65}), "at most training.examples (64)",
    ),
    "family twice": (setter("probes", "families", ["choice", "choice"]), "probes.families"),
    "family that is no name": (setter("probes", "families", ["a/b"]), "probes.families"),
    "treatment twice": (setter("inference", "treatments", ["depression", "paranoia", "depression"]), "given twice"),
    "control twice": (setter("inference", "controls", ["neutral", "neutral"]), "given twice"),
    "claim twice": (
        setter("inference", "confirmatory", [CLAIM | {"ring": "held_out_domains"} for _ in range(2)]), "given twice",
    ),
    "scales that are not asked": (setter("probes", "scales_csv", "mine.csv"), "add it"),
    "misspelled policy": (setter("conditions", "paranoia", "policy", "unifrom"), "'uniform' or 'prior'"),
    "misspelled key of a section": (setter("probes", "famlies", ["choice"]), "use one of: families"),
    "right-to-left study name": (setter("study", "\u202esmoke"), "study"),
    "name that ends in a newline": (setter("study", "smoke\n"), "study"),
    "a list where a map belongs": (lambda data: [data], "expected a map"),
}  # fmt: skip


def one_line(capsys, path):
    assert main(["check", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("error: ") and "Traceback" not in lines[0]
    return lines[0]


@pytest.mark.parametrize("name", BAD_STUDIES)
def test_bad_study_is_one_line(name, write_study, capsys, tmp_path, monkeypatch):
    change, named = BAD_STUDIES[name]
    path = write_study(change)
    monkeypatch.chdir(tmp_path)
    assert named in one_line(capsys, path)
    assert not (tmp_path / "outputs").exists()


BAD_TEXTS = {
    "unreadable YAML": "study: [smoke",
    "tabs": "study:\tsmoke\n\tseeds: [0]",
    "key given twice": "study: smoke\nstudy: again",
    "aliases": "a: &a [x]\nb: [*a, *a]",
    "python object": "study: !!python/object/apply:os.system ['true']",
    "empty": "",
    "not text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_bad_yaml_is_one_line(name, params_folder, capsys):
    path = params_folder / "broken.yaml"
    content = BAD_TEXTS[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "broken.yaml" in one_line(capsys, path)


SHIPPED = sorted(p for p in (Path(__file__).parents[2] / "params").glob("*.yaml") if not p.stem.startswith("worlds"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_studies_are_good(path):
    assert load_study(path).select("all", "all", "all")


@pytest.mark.parametrize("text", ["5", "pretraining", "[pretraining]", ""])
def test_a_file_that_is_no_map(text, tmp_path, capsys):
    (tmp_path / "odd.yaml").write_text(text)
    assert "expected a map of keys" in one_line(capsys, tmp_path / "odd.yaml")


def test_missing_study_file(tmp_path, capsys):
    assert "no such file" in one_line(capsys, tmp_path / "none.yaml")


def edit(name, change):
    def apply(folder):
        path = folder / "materials" / f"{name}.yaml"
        data = yaml.safe_load(path.read_text())
        change(data)
        path.write_text(yaml.safe_dump(data, sort_keys=False))

    return apply


def share_a_word(data):
    data["guard"][0] = "expect some misery"


def own_family(folder):
    phrases = {"benign": ["sunshine all day"], "loss": ["rain"], "threat": ["rain again"]}
    family = {"stems": [{"named": "{name} expected", "first": "I expected"}], "continuations": phrases}
    (folder / "materials" / "families.yaml").write_text(yaml.safe_dump({"weather": family}))


BAD_MATERIALS = {
    "empty class": (edit("actions", lambda d: d.update(guard=[])), "guard"),
    "class that no disposition names": (edit("feelings", lambda d: d.update(joy=["glad"] * 12)), "joy"),
    "duplicate phrase": (edit("interpretations", lambda d: d["loss"].append("Hope is useless now")), "given twice"),
    "phrase that begins another": (
        edit("feelings", lambda d: d["threat"].append("Calm, then tense.")), "'calm' begins 'Calm, then tense.'",
    ),
    "phrase that begins another of one's own": (own_family, "weather: 'rain' begins 'rain again'"),
    "duplicate situation": (edit("domains", lambda d: d["work"].append(d["school"][0])), "given twice"),
    "shared content word": (edit("actions", share_a_word), "misery"),
    "the phrase that shares it": (edit("actions", share_a_word), "'expect some misery' (actions.yaml) and "),
    "an action of another length": (
        edit("actions", lambda d: d["guard"].append("argue all night with everybody")), "argue all night",
    ),
    "too few phrases": (edit("feelings", lambda d: d["loss"].pop()), "feelings"),
    "too few domains": (edit("domains", lambda d: d.pop("work")), "domains"),
    "too few situations": (edit("domains", lambda d: d["work"].pop()), "situations"),
    "uneven lengths": (
        edit("feelings", lambda d: d.update(loss=[f"{w} and hollow and lost" for w in d["loss"]])), "mean words",
    ),
    "uneven pair": (edit("preferences", lambda d: d[0].update(options=["tea", "a cup of cocoa"])), "equally many"),
    "leading space": (edit("feelings", lambda d: d["loss"].append(" blue")), "' blue'"),
    "number as a phrase": (edit("prose", lambda d: d.append(7)), "7"),
    "scale key of 0": (edit("scales", lambda d: d["depression_style"]["items"][0].update(key=0)), "key"),
    "scale with unknown outcome": (edit("scales", lambda d: d["depression_style"].update(outcome="joy")), "joy"),
    "stem without a name": (
        edit("forms", lambda d: d["stems"]["feeling"][0].update(named="Someone felt")), "{name}",
    ),
    "shares beyond 1": (edit("dispositions", lambda d: d["secure"].update(share=0.9)), "sum to"),
    "mention that goes on": (edit("forms", lambda d: d.update(mentions=["Read {phrase} twice."])), "mentions"),
    "stem with another field": (
        edit("forms", lambda d: d["stems"]["feeling"][0].update(named="{name} felt {x}")), "no other {field}",
    ),
    "letter twice": (edit("forms", lambda d: d.update(letters=["A", "B", "C", "C"])), "'C' is given twice"),
    "phrase with an end mark": (edit("feelings", lambda d: d["loss"].append("blue.")), "'blue.' ends in '.'"),
    "missing file": (lambda folder: (folder / "materials" / "prose.yaml").unlink(), "prose.yaml"),
    "unknown file": (lambda folder: (folder / "materials" / "poems.yaml").write_text("- a"), "poems.yaml"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MATERIALS)
def test_bad_materials_are_one_line(name, params_folder, capsys):
    change, named = BAD_MATERIALS[name]
    change(params_folder)
    assert named in one_line(capsys, params_folder / "smoke.yaml")


def test_materials_that_extend_what_lies_outside_are_refused_unread(params_folder, tmp_path, capsys):
    """What a link leads to does not come to light in the error."""
    (tmp_path / "token").write_text("hf_SECRET")
    extends = params_folder / "materials" / "extends.yaml"
    extends.symlink_to(tmp_path / "token")
    said = one_line(capsys, params_folder / "smoke.yaml")
    assert "extends.yaml leads out of the study's folder" in said and "SECRET" not in said
    extends.unlink()
    (tmp_path / "far").mkdir()
    for outside in (str(tmp_path / "far"), "/etc", "../../far"):
        extends.write_text(outside)
        said = one_line(capsys, params_folder / "smoke.yaml")
        assert "leads out of the study's folder" in said


NAMES_OF_NO_FILE = ["\U0001f600" * 100, "x" * 199]


@pytest.mark.parametrize("name", NAMES_OF_NO_FILE)
@pytest.mark.parametrize("key", ["materials", "scales_csv", "extends"])
def test_names_that_no_file_can_have_are_one_line(name, key, params_folder, write_study, capsys):
    if key == "extends":
        (params_folder / "materials" / "extends.yaml").write_text(name * 3)
        path = params_folder / "smoke.yaml"
    else:
        path = write_study(setter(*(["probes"] if key == "scales_csv" else []), key, name))
    assert len(one_line(capsys, path)) < 2000


@pytest.mark.parametrize("text", ["!!bool x", "!!timestamp x", "!!int ''", "!!float ''", "!!int [1]", "!!null {}"])
def test_tags_that_yaml_cannot_make_are_one_line(text, params_folder, capsys):
    path = params_folder / "smoke.yaml"
    path.write_text(path.read_text().replace("study: smoke", f"study: {text}"))
    one_line(capsys, path)


def test_a_number_too_long_to_print_is_one_line(params_folder, capsys):
    path = params_folder / "smoke.yaml"
    path.write_text(path.read_text().replace("seeds: [0, 1]", f"seeds: [0x{'f' * 5000}]"))
    assert "int that is too large to show" in one_line(capsys, path)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb"])
def test_names_that_cannot_be_printed_are_escaped(name, write_study, capsys):
    said = one_line(capsys, write_study(setter("conditions", name, {"task": "prose"})))
    assert said.rstrip("\n").isprintable()


def test_materials_that_link_elsewhere_are_refused(params_folder, tmp_path, capsys):
    elsewhere = tmp_path / "elsewhere.yaml"
    inside = params_folder / "materials" / "prose.yaml"
    inside.rename(elsewhere)
    inside.symlink_to(elsewhere)
    said = one_line(capsys, params_folder / "smoke.yaml")
    assert "prose.yaml leads out of the study's folder" in said


@pytest.mark.parametrize(
    ("parameter", "arguments"),
    [("base_model", ("nobody", "all", "all")), ("condition", ("all", "joy", "all")), ("seed", ("all", "all", 77)),
     ("seed", ("all", "all", None)), ("seed", ("all", "all", True))],
)  # fmt: skip
def test_unknown_notebook_parameter(smoke, parameter, arguments):
    with pytest.raises(UserError, match=f"^{parameter}: found"):
        smoke.select(*arguments)


def test_select_takes_text_from_papermill(smoke):
    assert smoke.select("llama-coupled-0", "depression", "1") == [("llama-coupled-0", "depression", 1)]


def test_make_and_papermill_say_it_in_one_line(root, write_study, tmp_path):
    path = write_study(setter("training", "rank", -4))
    made = subprocess.run(
        [sys.executable, "-m", "priorshift", "check", str(path)], capture_output=True, text=True, cwd=tmp_path
    )
    assert made.returncode == 2
    assert made.stderr.count("\n") == 1 and "rank" in made.stderr
    notebook = root / "notebooks" / "01_synthesize.ipynb"
    ran = subprocess.run(
        [sys.executable, "-m", "papermill", str(notebook), str(tmp_path / "out.ipynb"), "-p", "study", str(path)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode != 0
    said = [line for line in ran.stderr.splitlines() if "rank" in line]
    assert any(line.startswith("ParamsError: ") for line in said), ran.stderr[-2000:]
    assert not (tmp_path / "outputs").exists()


def test_error_names_file_value_and_way_out(write_study):
    path = write_study(setter("training", "rank", -4))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert str(path) in str(caught.value) and "training.rank" in str(caught.value) and "-4" in str(caught.value)
