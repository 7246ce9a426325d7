"""next_words.yaml: a folder may lack it, its rules are held, and only studies that measure it depend on it."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from support.next_words import FORMS, WORDS, make_next_words, with_next_words
from support.refusals import read_refusal

from priorshift.materials.load import hash_materials, load_materials
from priorshift.materials.rules import check_materials
from priorshift.materials.texts import list_texts
from priorshift.study.load import load_study


def words(outcome, change):
    return {"words": WORDS | {outcome: change(WORDS[outcome])}}


def few_forms():
    return {"forms": {name: make_next_words().forms[name] for name in FORMS[:11]}}


BAD = {
    "too few forms": (few_forms(), "found 11 forms; at least 12"),
    "too few words": (words("loss", lambda group: group[:79]), "loss: found 79 words; at least 80"),
    "a phrase": (words("loss", lambda group: ("all lost", *group)), "found 'all lost'; expected one word"),
    "a capital": (words("threat", lambda group: (*group, "Zorro")), "found 'Zorro'; expected one word"),
    "an unknown outcome": ({"words": WORDS | {"joy": WORDS["loss"]}}, "found words for ['joy']"),
    "a single outcome": ({"words": {"loss": WORDS["loss"]}}, "log-odds need two outcomes"),
    "long words": (
        words("loss", lambda group: tuple(f"{word}lo" for word in group)), "benign 4.00, loss 6.00, threat 4.00",
    ),
    "a word of two outcomes": (words("loss", lambda group: (*group, "zaba")), "'zaba' is given twice"),
    "a word of an action": (words("threat", lambda group: (*group, "bolted")), "share 'bolt'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_broken_rule_is_refused(name, materials, root):
    changes, named = BAD[name]
    said = read_refusal(check_materials, with_next_words(materials, **changes), root / "params" / "materials_worlds")
    assert named in said and "next_words.yaml" in said


def write_file(folder):
    path = folder / "materials_worlds" / "next_words.yaml"
    path.write_text(yaml.safe_dump(make_next_words().model_dump(mode="json")))
    return path


def test_the_file_may_be_missing_and_is_read_where_it_is_there(params_folder):
    path = write_file(params_folder)
    found = load_materials(path.parent)
    assert found.next_words == make_next_words() and found.list_families()[-1] == "next_words"
    assert found.get_continuations("next_words") == WORDS
    assert len(found.get_stems("next_words")) == 6 * 2 + 6 * 3
    path.unlink()
    bare = load_materials(path.parent)
    assert bare.next_words is None and "next_words" not in bare.list_families()


def test_only_a_study_that_measures_them_depends_on_the_words(params_folder, write_study, small):
    folder = params_folder / "materials_small"
    before, study = hash_materials(folder), load_study(write_study(lambda data: None))
    write_file(params_folder)
    assert hash_materials(folder) == before
    assert load_study(study.folder / study.file).materials_hash == study.materials_hash
    assert hash_materials(folder, next_words=True) != before
    measured = load_study(write_study(lambda data: data["probes"]["families"].append("next_words")))
    assert measured.materials_hash == hash_materials(folder, next_words=True)
    assert set(list_texts(measured.materials)) == set(list_texts(small))


def test_a_study_that_does_not_fit_them_is_refused(params_folder, write_study):
    path = write_file(params_folder)
    changes = {
        "forms_per_situation: found 2; it is for the family next_words": {"forms_per_situation": 2},
        "forms_per_situation: found 13; at most 12": {
            "families": ["interpretation", "next_words"], "forms_per_situation": 13,
        },
    }  # fmt: skip
    for said, change in changes.items():
        assert said in read_refusal(load_study, write_study(lambda data, change=change: data["probes"].update(change)))
    write_study(lambda data: data["probes"].pop("forms_per_situation") and None)
    two = make_next_words(words={name: WORDS[name] for name in ("benign", "loss")}).model_dump(mode="json")
    path.write_text(yaml.safe_dump(two))
    study = write_study(lambda data: None)
    assert "next_words has no words for threat" in read_refusal(load_study, study)


def test_the_shipped_words_are_matched_in_corpus_frequency(natural):
    """Zipf's scale, the base-10 logarithm of occurrences in a thousand million words (van Heuven et al. 2014)."""
    from wordfreq import zipf_frequency

    found = {
        outcome: np.array([zipf_frequency(word, "en") for word in group])
        for outcome, group in natural.next_words.words.items()
    }
    means, spreads = ([measure(values) for values in found.values()] for measure in (np.mean, np.std))
    assert np.ptp(means) < 0.2 and np.ptp(spreads) < 0.2
    assert min(values.min() for values in found.values()) > 2.5
