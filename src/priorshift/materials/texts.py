"""All texts of a folder of materials, gathered by the file that they stand in."""

from __future__ import annotations

from priorshift.materials.schema import NEXT_WORDS, Materials, Phrases

BY_OUTCOME = ("interpretations", "feelings", "self_statements")


def list_texts(materials: Materials) -> list[str]:
    """Every phrase and sentence that any study may put before a model: the words of `next_words` are not among them."""
    labels = [label for scale in materials.scales.values() for label in scale.labels or ()]
    files = list_texts_by_file(materials).items()
    return [*(text for field, texts in files if field != NEXT_WORDS for text in texts), *labels]


def list_texts_by_file(materials: Materials) -> dict[str, list[str]]:
    """Every phrase of each file, in order."""
    grouped = {field: [p for group in getattr(materials, field).values() for p in group] for field in BY_OUTCOME}
    words = materials.next_words.words if materials.next_words else {}
    return {
        "domains": [situation.text for group in materials.domains.values() for situation in group],
        "actions": [p for group in materials.all_actions.values() for p in group],
        **grouped,
        "preferences": [p for pair in materials.preferences for p in pair.options],
        "prose": list(materials.prose),
        "scales": [item.text for scale in materials.scales.values() for item in scale.items],
        "completions": list(materials.completions),
        "families": [p for f in materials.families.values() for group in f.continuations.values() for p in group],
        NEXT_WORDS: [w for group in words.values() for w in group],
    }


def list_continuations(materials: Materials) -> dict[str, Phrases]:
    """Where each family's continuations are written -> its phrases by class."""
    found = {"actions.yaml": materials.actions} if materials.actions else {}
    situations = [each for group in materials.domains.values() for each in group if each.actions]
    found |= {f"domains.yaml: {each.text!r}": materials.list_actions(each.text) for each in situations}
    found |= {f"{field}.yaml": getattr(materials, field) for field in BY_OUTCOME}
    return found | {f"families.yaml: {name}": family.continuations for name, family in materials.families.items()}
