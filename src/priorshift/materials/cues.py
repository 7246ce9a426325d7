"""A cue before a situation must be a cue by what it is trained for, and not by its words."""

from __future__ import annotations

from priorshift.materials.schema import NEXT_WORDS, Materials
from priorshift.materials.texts import BY_OUTCOME, list_texts_by_file
from priorshift.materials.word_roots import find_word_roots

# What a training example or a probe is made of. A neutral opening, prose or a preference may have the cue's words.
READ = ("domains", "actions", *BY_OUTCOME, "scales", "families", NEXT_WORDS)


def find_leak(cue: str, materials: Materials) -> str:
    """Say which text of situations, actions or probes shares a content word with a cue. Empty where none does.

    Words are compared by their roots, function words aside, as actions are compared with probes.
    """
    own = find_word_roots([cue], materials.function_words)
    for file, texts in list_texts_by_file(materials).items():
        found = find_word_roots(texts, materials.function_words) if file in READ else {}
        if shared := sorted(own.keys() & found.keys()):
            word = found[shared[0]]
            text = next(text for text in texts if shared[0] in find_word_roots([text], materials.function_words))
            return f"{own[shared[0]]!r} and {word!r} of {text!r} ({file}.yaml) share a root"
    return ""
