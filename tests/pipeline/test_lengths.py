"""What is too long for a base model is refused before anything is trained: by `check`, and by training itself."""

from __future__ import annotations

import json
import shutil
from itertools import permutations

import pytest
import yaml
from support.tiny_models import model_entry

from priorshift.cli import main
from priorshift.errors import RunError
from priorshift.materials.prompts import join_prompt
from priorshift.models.base import load_reader
from priorshift.pipeline import adapters
from priorshift.pipeline.lengths import check_study_lengths
from priorshift.pipeline.probe import probe_runs
from priorshift.pipeline.synthesize import synthesize_runs
from priorshift.pipeline.train import train_runs
from priorshift.pipeline.training_sets import read_examples
from priorshift.probing.context import Context
from priorshift.probing.items import make_probe_items
from priorshift.probing.measure import list_retention_texts
from priorshift.study.load import load_study

LONG = " ".join(["Every week it comes back and then I wait for it again and again"] * 12)


@pytest.fixture
def make_study(params_folder, model_folders, tmp_path):
    """Write the tiny study on a model that reads so many tokens, with parts of it changed; returns its path."""

    def make(longest, style="raw", **parts):
        folder = tmp_path / f"limit-{longest}"
        if not folder.exists():
            shutil.copytree(model_folders["llama"], folder)
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": longest}))
        data = yaml.safe_load((params_folder / "smoke.yaml").read_text())
        entry = {"name": "m", "source": str(folder), "prompt_style": style}
        data |= {"study": "short", "materials": "materials", "base_models": [entry], "seeds": [0]}
        data["train_domains"] = data["train_domains"][:1]
        data["conditions"] = {name: data["conditions"][name] for name in ("depression", "neutral")}
        data["training"] |= {"examples": 16, "batch_size": 8}
        data["probes"] = {"families": ["feeling"], "situations_per_domain": 1, "continuations_per_class": 2}
        data["probes"] |= {"retention_texts": 2}
        data["inference"] |= {"controls": ["neutral"], "treatments": ["depression"], "claims": []}
        for part, change in parts.items():
            data[part] |= change
        path = params_folder / "short.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return make


def longest_stem(study, read):
    """The longest stem and continuation."""
    items = make_probe_items(study.params, study.materials)
    return [read(item.stem) + text for item in items for text in item.continuations]


def longest_prose(study, read):
    pairs = permutations(study.materials.held_out_prose, 2)
    drawn = {tuple(pair) for pair in list_retention_texts(study.materials, 2)}
    return [f"{read(first)} {second}" for first, second in pairs if (first, second) in drawn]


def longest_example(study, read):
    synthesize_runs(study, runs := study.select("all", "all", "all"))
    return [read(each.prompt) + each.completion for run in runs for each in read_examples(study, run)]


def longest_in_context(study, read):
    [run] = study.select("m", "in_context", 0)
    synthesize_runs(study, [run])
    items = make_probe_items(study.params, study.materials, Context(read_examples(study, run), 4))
    assert all(item.stem.count(" decided to ") == 4 for item in items)
    return [read(item.stem) + text for item in items for text in item.continuations]


def longest_scale(study, read):
    form, [name, *_] = study.materials.forms.scale, study.materials.forms.names.main
    options = ["not at all", "somewhat", "very"]
    return [
        read(join_prompt(line.replace("{labels}", ", ".join(order)), form.answer.named.replace("{name}", name))) + last
        for line in [form.prompt.replace("{text}", LONG)]
        for order in permutations(options)
        for last in [f" {option}." for option in options]
    ]


def longest_opening(study, read):
    return [read(opening) for opening in study.materials.completions]


IN_CONTEXT = {"in_context": {"task": "decisions", "policy": {"withdraw": 1.0}, "in_context": 4}}
# What is longest in the study -> its texts by the plainest way, tokens written after them, the change, what is said
KINDS = {
    "an example": (longest_example, 0, {"training": {"options_share": 1.0}}, "a training example of "),
    "a stem": (longest_stem, 0, {"training": {"options_share": 0.0}, "probes": {"families": ["next_words", "choice"],
               "continuations_per_class": None, "rings": {"text_form": 5}}}, "the stem of "),
    "prose": (longest_prose, 0, {"training": {"options_share": 0.0}}, "a sentence of prose"),
    "a context": (longest_in_context, 0, {"conditions": IN_CONTEXT}, "in the context of in_context/seed-0"),
    "a scale": (longest_scale, 0, {"probes": {"scale_orders": 6, "scales_csv": "scales.csv"}}, "a scale item ('"),
    "a completion": (longest_opening, 300, {"probes": {"completion_samples": 1, "completion_tokens": 300}},
                     "a completion's opening"),
}  # fmt: skip


@pytest.mark.parametrize("style", ["raw", "chat"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_text_is_known_to_the_token(make_study, params_folder, tmp_path, kind, style):
    list_longest, written, parts, said = KINDS[kind]
    line = f"mine,loss,{LONG},1,not at all|somewhat|very\n"
    (params_folder / "scales.csv").write_text(f"scale,outcome,text,key,options\n{line}")
    if kind == "a stem":
        domains = params_folder / "materials/domains.yaml"
        first = "The manager asked for a short meeting on Friday"
        text = domains.read_text()
        assert text.count(first) == 1
        domains.write_text(text.replace(first, f"{LONG}. {first}"))
    study = load_study(make_study(4096, style, **parts), tmp_path / "out")
    tokenizer, read = load_reader(model_entry(tmp_path / "limit-4096", style))
    most = max(len(tokenizer(text)["input_ids"]) for text in list_longest(study, read)) + written
    check_study_lengths(load_study(make_study(most, style, **parts)))
    with pytest.raises(RunError) as caught:
        check_study_lengths(load_study(make_study(most - 1, style, **parts)))
    assert f"{most} tokens, and the model reads at most {most - 1}; " in str(caught.value)
    assert said in str(caught.value) and str(caught.value).startswith("m: ") and "\n" not in str(caught.value)


def test_the_command_refuses_in_one_line(make_study, capsys):
    assert main(["check", str(make_study(4096))]) == 0
    assert main(["check", str(make_study(24))]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: m: the stem of ") and error.count("\n") == 1
    assert "tokens, and the model reads at most 24; shorten it" in error


def refuse(*_, **__):
    raise AssertionError("a run was trained")


@pytest.mark.parametrize("kind", ["a completion", "a context"])
def test_training_does_not_begin(make_study, tmp_path, monkeypatch, kind):
    """Where nobody asked before: not a step is taken, nothing is written."""
    study = load_study(make_study(120, **KINDS[kind][2]), tmp_path / "out")
    synthesize_runs(study, runs := study.select("all", "all", "all"))
    monkeypatch.setattr(adapters, "train_run", refuse)
    with pytest.raises(RunError, match=r"^m: .* tokens, and the model reads at most 120; "):
        train_runs(study, runs)
    assert not study.paths.run("m", "depression", 0).exists()


def test_an_example_of_any_run_is_counted_before_the_first_step(make_study, tmp_path, monkeypatch):
    study = load_study(make_study(4096), tmp_path / "out")
    synthesize_runs(study, runs := study.select("all", "all", "all"))
    tokenizer, _ = load_reader(model_entry(tmp_path / "limit-4096"))
    counts = {
        run: max(len(tokenizer(each.prompt + each.completion)["input_ids"]) for each in read_examples(study, run))
        for run in runs
    }
    first, last = sorted(runs, key=counts.__getitem__)
    limit = counts[last] - 1
    assert counts[first] <= limit
    study = load_study(make_study(limit), tmp_path / "out")
    monkeypatch.setattr(adapters, "train_run", refuse)
    with pytest.raises(RunError, match=f"a training example of {last.condition}/seed-0 .* {limit + 1} tokens"):
        train_runs(study, [first, last])


def test_probing_refuses_what_was_made_longer_since(make_study, tmp_path):
    study = load_study(make_study(200), tmp_path / "out")
    synthesize_runs(study, runs := study.select("all", "depression", "all"))
    train_runs(study, runs)
    longer = {"completion_samples": 1, "completion_tokens": 200}
    study = load_study(make_study(200, probes=longer), tmp_path / "out")
    with pytest.raises(RunError, match=r"a completion's opening .* lower probes.completion_tokens"):
        probe_runs(study, runs)
