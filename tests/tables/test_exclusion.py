"""Items leave by declared criteria, with the reason, and what that changes is shown."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from support.synthetic_items import row, settings, study
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from priorshift.probability.encoder import LISTED
from priorshift.probability.scorer import Scorer
from priorshift.probing.items import ProbeItem
from priorshift.probing.measure import measure_model, tabulate_items
from priorshift.stats.contrasts import estimate_contrasts
from priorshift.study.sections import Exclusion
from priorshift.tables.exclusion import compare_contrasts, find_overlaps, leave_out, list_excluded_items


def item(name, stem, phrase, family="feeling", ring="held_out_domains"):
    return ProbeItem(name, family, ring, "school", "canonical", stem, {"loss": (phrase,)})


ITEMS = [
    item("stem", "The old bus stops near the gate. Nora felt", " sad"),
    item("phrase", "It rains. Nora felt", " as if nothing mattered any more"),
    item("across", "It rains. Nora", " felt so very sad today"),
    item("apart", "The old bus stops. Near the gate Nora felt", " sad"),
    item("choice", "It rains. Nora decided to", " sit at home all day", family="choice"),
    item("trained", "The old bus stops near the gate. Nora felt", " sad", ring="training_domains"),
]
TRAINING = ["Then the old bus stops near me.", "He acts as if nothing mattered.", "Nora felt so very sad.",
            "She would sit at home all day."]  # fmt: skip


def test_overlap_is_within_a_sentence_and_not_where_it_is_meant():
    assert find_overlaps(ITEMS, TRAINING, 4) == {
        "stem": "the old bus stops", "phrase": "as if nothing mattered", "across": "nora felt so very",
        "apart": "the old bus stops",
    }  # fmt: skip
    assert set(find_overlaps(ITEMS, TRAINING, 5)) == {"stem", "across"}
    assert find_overlaps(ITEMS, TRAINING, 6) == {}


def measured(masses, ambiguous=()):
    return pd.DataFrame([
        {"base_model": m, "family": "feeling", "ring": "held_out_domains", "item": i, "condition": c,
         "base_covered_mass": mass, "ambiguous": i in ambiguous}
        for m in ("a", "b") for i, mass in masses.items() for c in ("x", "y")
    ])  # fmt: skip


def test_each_reason_is_a_row_and_items_leave_whole():
    table = measured({"stem": 0.9, "phrase": 0.04, "apart": 0.5}, ambiguous=("apart",))
    criteria = Exclusion(ngram=5, covered_mass=0.1, ambiguous_tokenization=True)
    excluded = list_excluded_items(table, ITEMS, TRAINING, criteria)
    reasons = excluded[excluded["base_model"] == "a"].set_index("item")
    assert dict(reasons["found"]) == {"stem": "the old bus stops near", "phrase": "0.04", "apart": ""}
    assert "below 0.1" in reasons.loc["phrase", "reason"] and "5 words" in reasons.loc["stem", "reason"]
    assert leave_out(table, excluded).empty
    one = excluded[(excluded["base_model"] == "a") & (excluded["item"] == "stem")]
    assert len(leave_out(table, one)) == len(table) - 2


def test_choices_stay_whatever_they_cover():
    table = measured({"low": 0.01})
    assert len(list_excluded_items(table, ITEMS, TRAINING, Exclusion(covered_mass=0.1))) == 2
    assert list_excluded_items(table.assign(family="choice"), ITEMS, TRAINING, Exclusion(covered_mass=0.1)).empty


def test_without_criteria_nothing_leaves():
    table = measured({"stem": 0.0}, ambiguous=("stem",))
    excluded = list_excluded_items(table, ITEMS, TRAINING, Exclusion())
    assert excluded.empty and len(leave_out(table, excluded)) == len(table)


def test_with_and_without_stand_side_by_side():
    items = study(models=[("hub/model", "hub/model", "")])
    kept = items[items["item"] != "item-000"]
    table = compare_contrasts(
        *(estimate_contrasts(rows, settings(), ["depression", "paranoia"]) for rows in (items, kept))
    )
    found = row(table, condition="depression", control="neutral", outcome="loss", unit="both")
    assert (found["n_items_all"], found["n_items_kept"]) == (8, 7)
    assert found["difference"] == found["estimate_kept"] - found["estimate_all"] != 0


@pytest.fixture
def merging():
    """A scorer whose tokenizer has the token "ab"."""
    vocabulary = {"<unk>": 0, "a": 1, "b": 2, "ab": 3, " ": 4, "c": 5}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b")], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    return Scorer(LlamaForCausalLM(LlamaConfig(vocab_size=6, **shape)), fast, on_merge="report")


def test_a_merging_tokenizer_is_seen_in_the_items_table(merging):
    items = [item("whole", "c a", " b"), item("torn", "c a", "b")]
    items = [replace(i, candidates={**i.candidates, "benign": (" c",)}) for i in items]
    state = measure_model(merging, items)
    table = tabulate_items(items, state, state)
    assert dict(table.groupby("item")["ambiguous"].all()) == {"whole": False, "torn": True}


def test_every_merge_counts_however_many_there_are(merging):
    """Only so many are listed one by one: an item beyond them is ambiguous too."""
    many = [replace(item(f"{i}", "c a", "b"), candidates={"loss": ("b", "bc")}) for i in range(LISTED)]
    state = measure_model(merging, [*many, item("last", "a", "b"), item("whole", "c a", " b")])
    assert len(merging.merges) == LISTED
    assert state.merged == set(range(LISTED + 1))
