"""Loading a study: it is held to its materials, keeps to its own folder, and every mistake is one line."""

from __future__ import annotations

import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from support.refusals import read_refusal
from traitlets.config import Config

from priorshift.study.load import load_study

CLAIM = {
    "condition": "depression", "control": "neutral", "family": "interpretation", "outcome": "loss",
    "ring": "held_out_domains",
}  # fmt: skip
CSV = "scale,outcome,text,key\nmine,loss,My days seem pointless.,1\nmine,loss,My life is full of hope.,-1\n"


def update(section, **values):
    """A change of the parsed file: keys of a section, or of the file where there is none."""
    return lambda data: (data[section] if section else data).update(values)


BAD = {
    "unknown domain": (update("", train_domains=["work", "moon"]), "train_domains: unknown 'moon'"),
    "unknown base model": (update("", base_models=["llama-coupled-99"]), "llama-coupled-99"),
    "unknown embedded source": (
        update("", base_models=[{"name": "a", "source": "embedded:../x"}]), "no embedded model 'a'",
    ),
    "unknown policy class": (
        update("conditions", paranoia={"task": "decisions", "policy": {"attack": 1.0}}),
        "conditions.paranoia.policy: unknown 'attack'",
    ),
    "unknown family": (update("probes", families=["interpretation", "dream"]), "probes.families: unknown 'dream'"),
    "intensities of ungraded phrases": (
        lambda data: data.update(materials="materials_worlds") or data["probes"].update(intensities=["mild"]),
        "materials_worlds grades no phrase",
    ),
    "too many situations": (update("probes", situations_per_domain=99), "situations_per_domain: found 99"),
    "too many in a ring": (update("probes", rings={"narrator": 99}), "probes.rings.narrator: found 99; at most 10"),
    "orders that balance nothing": (update("probes", scale_orders=3), "a multiple of 4 and at most 24"),
    "more orders than there are": (update("probes", scale_orders=28), "a multiple of 4 and at most 24"),
    "claim on unknown outcome": (update("inference", claims=[CLAIM | {"outcome": "gain"}]), "unknown 'gain'"),
    "materials that are not there": (update("", materials="nowhere"), "nowhere"),
    "materials above the study": (
        update("", materials="../params/materials_worlds/../.."), "leads out of the study's folder",
    ),
    "materials at an absolute path": (update("", materials="/etc"), "leads out of the study's folder"),
    "scales at an absolute path": (
        update("probes", scale_orders=4, scales_csv="/etc/passwd"), "leads out of the study's folder",
    ),
    "a list where a map belongs": (lambda data: [data], "expected a map of keys"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_study_that_does_not_fit_its_materials_is_refused(name, write_study):
    change, named = BAD[name]
    assert named in read_refusal(load_study, write_study(change))


def test_an_error_names_file_key_value_and_way_out(write_study):
    path = write_study(update("training", rank=-4))
    said = read_refusal(load_study, path)
    assert said.startswith(f"{path}: training.rank: found -4; ") and "greater than 0" in said


@pytest.mark.parametrize("value", ["", None, 3, []])
def test_what_is_no_path_is_refused(value):
    assert read_refusal(load_study, value).startswith("study: found ")


@pytest.mark.parametrize("text", ["5", "pretraining", "[pretraining]", ""])
def test_a_file_that_is_no_map_is_refused(text, tmp_path):
    (tmp_path / "odd.yaml").write_text(text)
    assert "expected a map of keys" in read_refusal(load_study, tmp_path / "odd.yaml")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert "no such file" in read_refusal(load_study, tmp_path / "none.yaml")


def test_materials_that_link_elsewhere_are_refused(params_folder, tmp_path):
    elsewhere, inside = tmp_path / "elsewhere.yaml", params_folder / "materials_worlds" / "prose.yaml"
    inside.rename(elsewhere)
    inside.symlink_to(elsewhere)
    assert "prose.yaml leads out of the study's folder" in read_refusal(load_study, params_folder / "smoke.yaml")


def test_what_a_link_leads_to_does_not_come_to_light(params_folder, tmp_path):
    (tmp_path / "token").write_text("hf_SECRET")
    extends = params_folder / "materials_small" / "extends.yaml"
    extends.unlink()
    extends.symlink_to(tmp_path / "token")
    said = read_refusal(load_study, params_folder / "smoke.yaml")
    assert "extends.yaml leads out of the study's folder" in said and "SECRET" not in said


@pytest.mark.parametrize("outside", ["/etc", "../../far"])
def test_materials_that_extend_what_lies_outside_are_refused(outside, params_folder, tmp_path):
    (tmp_path / "far").mkdir()
    (params_folder / "materials_small" / "extends.yaml").write_text(outside)
    assert "leads out of the study's folder" in read_refusal(load_study, params_folder / "smoke.yaml")


@pytest.mark.parametrize("name", ["\U0001f600" * 100, "x" * 199], ids=["emoji", "letters"])
@pytest.mark.parametrize("key", ["materials", "scales_csv", "extends"])
def test_names_that_no_file_can_have_are_refused(name, key, params_folder, write_study):
    if key == "extends":
        (params_folder / "materials_small" / "extends.yaml").write_text(name * 3)
        path = params_folder / "smoke.yaml"
    else:
        path = write_study(update("" if key == "materials" else "probes", **{key: name, "scale_orders": 4}))
    assert len(read_refusal(load_study, path)) < 2000


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb"])
def test_names_that_cannot_be_printed_are_escaped(name, write_study):
    read_refusal(load_study, write_study(update("conditions", **{name: {"task": "prose"}})))


def test_a_user_s_csv_takes_the_place_of_the_scales_and_is_hashed(write_study, params_folder):
    (params_folder / "mine.csv").write_text(CSV)
    path = write_study(update("probes", scales_csv="mine.csv", scale_orders=4))
    study = load_study(path)
    assert list(study.materials.scales) == ["mine"] and len(study.materials.scales["mine"].items) == 2
    (params_folder / "mine.csv").write_text(CSV.replace("full of hope", "good"))
    assert load_study(path).materials_hash != study.materials_hash


def test_a_user_s_scale_may_have_one_key_but_needs_a_known_outcome(write_study, params_folder):
    path = write_study(update("probes", scales_csv="mine.csv", scale_orders=4))
    (params_folder / "mine.csv").write_text(CSV.replace(",-1", ",1"))
    assert {item.key for item in load_study(path).materials.scales["mine"].items} == {1}
    (params_folder / "mine.csv").write_text(CSV.replace(",loss", ",joy"))
    assert "found outcome 'joy'" in read_refusal(load_study, path)


def test_orders_must_suit_every_scale(write_study, params_folder):
    own = "scale,outcome,text,key,options\nmine,loss,My days seem pointless.,1,never|sometimes|often\n"
    (params_folder / "mine.csv").write_text(own + "other,threat,Enemies plot against me.,1,\n")
    for orders in (12, 24):
        load_study(write_study(update("probes", scales_csv="mine.csv", scale_orders=orders)))
    said = read_refusal(load_study, write_study(update("probes", scale_orders=4)))
    assert "found 4; expected a multiple of 12 and at most 24" in said and "3 or 4 response options" in said


def test_hashes_follow_content_alone(params_folder, smoke):
    path = params_folder / "smoke.yaml"
    path.write_text("# another comment\n" + path.read_text())
    study = load_study(path)
    assert (study.params_hash, study.materials_hash) == (smoke.params_hash, smoke.materials_hash)
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(data | {"seeds": [0, 2]}))
    assert load_study(path).params_hash != smoke.params_hash
    (params_folder / "materials_worlds" / "prose.yaml").open("a").write("- The lamp is lit at dusk.\n")
    assert load_study(path).materials_hash != smoke.materials_hash


def test_select_crosses_models_conditions_and_seeds(smoke):
    runs = smoke.select("all", "all", "all")
    assert len(runs) == len(set(runs)) == 2 * 4 * 2
    assert smoke.select("gpt_neox-coupled-0", "neutral", "all") == [
        ("gpt_neox-coupled-0", "neutral", 0), ("gpt_neox-coupled-0", "neutral", 1),
    ]  # fmt: skip
    # papermill passes numbers as text too.
    assert smoke.select("llama-coupled-0", "depression", "1") == [("llama-coupled-0", "depression", 1)]


@pytest.mark.parametrize(
    ("parameter", "arguments"),
    [("base_model", ("nobody", "all", "all")), ("condition", ("all", "joy", "all")), ("seed", ("all", "all", 77)),
     ("seed", ("all", "all", None)), ("seed", ("all", "all", True))],
)  # fmt: skip
def test_select_refuses_what_the_study_lacks(smoke, parameter, arguments):
    assert read_refusal(smoke.select, *arguments).startswith(f"{parameter}: found ")


def test_every_shipped_study_is_good(root):
    shipped = [path for path in (root / "params").glob("*.yaml") if not path.stem.startswith("worlds")]
    assert len(shipped) >= 10
    for path in shipped:
        assert load_study(path).select("all", "all", "all")


def test_a_notebook_s_cell_shows_the_line_and_no_traceback(write_study, capsys):
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    path = write_study(update("training", rank=-4))
    shell.run_cell(f"from priorshift.study.load import load_study\nload_study({str(path)!r})")
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line.startswith(f"ParamsError: {path}: training.rank: found -4")
