"""Stems of which the next word is content: their items, the spellings of their words, and what moved most.

A family has the same stems for all its items. `next_words` has a dozen forms and more. So that a study stays
affordable, each situation comes in one form (or in `probes.forms_per_situation`), and the next situation in the next.
Every form is then met equally often, in different domains. The further rings take the forms in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, islice

import numpy as np
import pandas as pd

from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.probability.divergence import rank_token_effects
from priorshift.probing.rings import Form, ItemKey, list_ring_forms, list_situations
from priorshift.study.params import HELD_OUT, StudyParams

# Tokens of each form that are kept: so many that gain most, so many that lose most, and all that move so far. Then an
# average over runs, in which a token that is not there counts as unmoved, is right to within that change.
MOST = 20
LEAST_CHANGE = 1e-4


def spell_words(words: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Outcome -> its words after a space, each in small letters and with a capital.

    Examples
    --------
    >>> spell_words({"loss": ["gloomy"]})
    {'loss': (' gloomy', ' Gloomy')}
    """
    return {
        outcome: tuple(f" {spelled}" for word in group for spelled in (word, word.capitalize()))
        for outcome, group in words.items()
    }


def list_next_word_keys(params: StudyParams, materials: Materials) -> Iterator[ItemKey]:
    """What the items of `next_words` are made from, ring by ring."""
    wordings = [len(stems) for stems in materials.next_words.forms.values()]
    starts = [end - n for end, n in zip(accumulate(wordings), wordings, strict=True)]
    forms = [Form(name, stem=start) for name, start in zip(materials.next_words.forms, starts, strict=True)]
    each = params.probes.forms_per_situation or 1
    usual = [
        ItemKey(ring, forms[(k * each + j) % len(forms)], domain, number)
        for k, (ring, domain, number) in enumerate(list_situations(params))
        for j in range(each)
    ]
    yield from usual
    held_out = list(_take_forms_in_turn([key for key in usual if key.ring == HELD_OUT]))
    for ring, count in params.probes.rings.items():
        crossed = (
            replace(key, ring=ring, form=form)
            for key in held_out
            for form in _vary(key.form, ring, materials, wordings[starts.index(key.form.stem)])
        )
        yield from islice(crossed, count)


def _vary(form: Form, ring: str, materials: Materials, wordings: int) -> list[Form]:
    """The forms of a further ring that a form comes in."""
    if ring == "paraphrase":
        return [replace(form, stem=form.stem + k, variant=f"wording {k}") for k in range(1, wordings)]
    others = list_ring_forms(ring, materials, NEXT_WORDS)
    return [replace(form, narrator=other.narrator, text=other.text, variant=other.label) for other in others]


def _take_forms_in_turn(keys: Sequence[ItemKey]) -> Iterator[ItemKey]:
    """The keys, every form once before any comes again, and the domains of a turn as different as can be."""
    of_form: dict[str, list[ItemKey]] = defaultdict(list)
    for key in keys:
        of_form[key.form.label].append(key)
    for turn in range(max(map(len, of_form.values()))):
        for k, own in enumerate(of_form.values()):
            if turn < len(own):
                yield own[(turn + k) % len(own)]


def tabulate_next_words(
    forms: Sequence[str], run: np.ndarray, base: np.ndarray, write_token: Callable[[int], str]
) -> pd.DataFrame:
    """The tokens whose probability moved most after each form's stems, without any list of words.

    Parameters
    ----------
    forms : N
        The form of each stem.
    run, base : float [N, V]
        Logprobs (nats) of the next token at each stem's end.
    write_token : token -> its text

    Returns
    -------
    DataFrame
        form, token (its number), text, base_probability, probability (means over the form's stems), jsd (the token's
        mean part of the divergence, bits). A form's largest gain comes first, its largest loss last.
    """
    tables = []
    for form in dict.fromkeys(forms):
        own = [i for i, name in enumerate(forms) if name == form]
        moved = pd.DataFrame(rank_token_effects(base[own], run[own], k=int(1 / LEAST_CHANGE)))
        gained, lost = moved[moved["change"] > 0], moved[moved["change"] < 0]
        kept = pd.concat([gained.head(MOST), lost.tail(MOST)]).index.union(
            moved.index[moved["change"].abs() >= LEAST_CHANGE]
        )
        moved = moved.loc[kept].rename(columns={"p_base": "base_probability", "p_adapter": "probability"})
        moved.insert(0, "form", form)
        moved.insert(2, "text", [write_token(int(token)) for token in moved["token"]])
        tables.append(moved.drop(columns="change"))
    return pd.concat(tables, ignore_index=True)
