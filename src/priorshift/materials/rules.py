"""The rules that materials keep, so that a shift cannot come from the words themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from priorshift.errors import MaterialsError
from priorshift.materials.next_words import check_next_words
from priorshift.materials.schema import FAMILIES, NEXT_WORDS, Materials, Scale
from priorshift.materials.texts import BY_OUTCOME, list_continuations, list_texts_by_file
from priorshift.materials.word_roots import find_word_roots

# Least numbers for a full set of materials. Smaller sets estimate nothing of use.
LEAST = {
    "domains": 16,
    "interpretations": 8,
    "feelings": 8,
    "self_statements": 8,
    "preferences": 40,
    "prose": 20,
    "completions": 1,
}
SITUATIONS_PER_DOMAIN = 3
ACTIONS_PER_CLASS = 20  # of actions.yaml: a situation's own may be few
LENGTH_TOLERANCE = 0.5  # words: how far the classes' mean phrase lengths may lie apart


def check_materials(materials: Materials, folder: Path) -> None:
    """Hold materials to every rule.

    Raises
    ------
    MaterialsError
        At the first rule that is broken. The message names the file and the phrase.
    """
    for check in (
        _check_counts,
        _check_actions,
        _check_classes,
        _check_dispositions,
        _check_letters,
        _check_families,
        check_next_words,
        _check_duplicates,
        _check_beginnings,
        _check_ends,
        _check_preferences,
        _check_lengths,
        _check_action_lengths,
        _check_grades,
        _check_shared_words,
    ):
        check(materials, folder)


def check_scales(scales: dict[str, Scale], outcomes: Sequence[str], where: str, both_keys: bool = True) -> None:
    """Check that each scale names a known outcome and has each item once.

    Parameters
    ----------
    where : the file, for the message
    both_keys : whether each scale needs items of both keys, so that agreeing to all gives the middle score.
        A licensed instrument may have one key alone: nobody may add to it.

    Raises
    ------
    MaterialsError
        Naming the scale.
    """
    for name, scale in scales.items():
        if scale.outcome not in outcomes:
            raise MaterialsError(f"{where}: {name}: found outcome {scale.outcome!r}; expected one of {list(outcomes)}")
        _check_unique([item.text for item in scale.items], f"{where}: {name}")
        _check_unique(scale.labels or (), f"{where}: {name}: options")
        keys = {item.key for item in scale.items}
        if 0 in keys:
            raise MaterialsError(f"{where}: {name}: found key 0; expected 1 or -1 (reverse-keyed)")
        if both_keys and keys != {1, -1}:
            raise MaterialsError(
                f"{where}: {name}: found items with key {keys.pop()} only; add items of the other key, "
                "without which agreeing cannot be told from the trait"
            )


def _check_counts(materials: Materials, folder: Path) -> None:
    for field, least in LEAST.items():
        value = getattr(materials, field)
        groups = value if isinstance(value, dict) and field != "domains" else {"": value}
        for name, group in groups.items():
            if len(group) < least:
                what = f"{name}: " if name else ""
                raise MaterialsError(
                    f"{folder / field}.yaml: {what}found {len(group)} entries; at least {least} are needed: add more"
                )
    for domain, situations in materials.domains.items():
        if len(situations) < SITUATIONS_PER_DOMAIN:
            raise MaterialsError(
                f"{folder}/domains.yaml: {domain}: found {len(situations)} situations; "
                f"at least {SITUATIONS_PER_DOMAIN} are needed: add more"
            )


def _check_actions(materials: Materials, folder: Path) -> None:
    """Each situation has actions of every class, its own or those that fit every situation."""
    for name, phrases in materials.actions.items():
        if len(phrases) < ACTIONS_PER_CLASS:
            raise MaterialsError(
                f"{folder}/actions.yaml: {name}: found {len(phrases)} entries; at least {ACTIONS_PER_CLASS} are "
                "needed: add more"
            )
    for _, situation in materials.list_situations(tuple(materials.domains)):
        lacking = [name for name, phrases in materials.list_actions(situation).items() if not phrases]
        if lacking:
            raise MaterialsError(
                f"{folder}/domains.yaml: {situation!r} has no action of class {lacking[0]!r}; give it one there, "
                "or the class phrases that fit every situation in actions.yaml"
            )


def _check_classes(materials: Materials, folder: Path) -> None:
    """The classes of each file are those of the dispositions."""
    actions = [disposition.action for disposition in materials.dispositions.values()]
    for field, classes in ({"actions": actions} | dict.fromkeys(BY_OUTCOME, materials.outcomes)).items():
        found = list(getattr(materials, "all_actions" if field == "actions" else field))
        if sorted(found) != sorted(classes):
            raise MaterialsError(
                f"{folder / field}.yaml: found classes {found}; dispositions.yaml names {classes}: make them agree"
            )
    check_scales(materials.scales, materials.outcomes, f"{folder}/scales.yaml")


def _check_dispositions(materials: Materials, folder: Path) -> None:
    total = sum(disposition.share for disposition in materials.dispositions.values())
    if abs(total - 1) > 1e-9:
        raise MaterialsError(f"{folder}/dispositions.yaml: the shares sum to {total:g}; expected 1")


def _check_letters(materials: Materials, folder: Path) -> None:
    letters = materials.forms.letters
    _check_unique(letters, f"{folder}/forms.yaml: letters")
    if len(letters) < len(materials.classes):
        raise MaterialsError(
            f"{folder}/forms.yaml: found {len(letters)} letters for {len(materials.classes)} options: add letters"
        )


def _check_families(materials: Materials, folder: Path) -> None:
    for name, family in materials.families.items():
        where = f"{folder}/families.yaml"
        if name in (*FAMILIES, NEXT_WORDS):
            raise MaterialsError(f"{where}: {name!r} is a family already; give yours another name")
        if sorted(family.continuations) != sorted(materials.outcomes):
            raise MaterialsError(
                f"{where}: {name}: found classes {list(family.continuations)}; "
                f"dispositions.yaml names {materials.outcomes}: make them agree"
            )
        if any(not phrases for phrases in family.continuations.values()):
            raise MaterialsError(f"{where}: {name}: found a class without phrases: add some")


def _check_duplicates(materials: Materials, folder: Path) -> None:
    for field, texts in list_texts_by_file(materials).items():
        if field != "actions":
            _check_unique(texts, f"{folder / field}.yaml")
    # A phrase may fit several situations, but never two classes.
    _check_unique([p for group in materials.actions.values() for p in group], f"{folder}/actions.yaml")
    _check_unique([p for group in materials.all_actions.values() for p in group], f"{folder}/domains.yaml")


def _check_beginnings(materials: Materials, folder: Path) -> None:
    """No continuation begins another of its family: the longer one's probability would be counted twice."""
    for where, groups in list_continuations(materials).items():
        phrases = {_split_bare_words(phrase): phrase for group in groups.values() for phrase in group}
        for words, phrase in phrases.items():
            for shorter in (words[:n] for n in range(1, len(words))):
                if shorter in phrases:
                    raise MaterialsError(
                        f"{folder}/{where}: {phrases[shorter]!r} begins {phrase!r}, whose probability would be "
                        "counted twice; remove or reword one"
                    )


def _check_ends(materials: Materials, folder: Path) -> None:
    """No continuation has an end mark: the text that it stands in brings one."""
    for where, groups in list_continuations(materials).items():
        for phrase in (phrase for group in groups.values() for phrase in group):
            if phrase[-1] in ".!?":
                raise MaterialsError(
                    f"{folder}/{where}: {phrase!r} ends in {phrase[-1]!r}; remove it: texts add theirs"
                )


def _check_preferences(materials: Materials, folder: Path) -> None:
    for pair in materials.preferences:
        lengths = [len(option.split()) for option in pair.options]
        if lengths[0] != lengths[1]:
            raise MaterialsError(
                f"{folder}/preferences.yaml: {list(pair.options)} have {lengths[0]} and {lengths[1]} words; "
                "both options of a pair need equally many"
            )


def _check_lengths(materials: Materials, folder: Path) -> None:
    """The classes of a family have about the same mean phrase length, in words."""
    for where, groups in list_continuations(materials).items():
        means = {name: sum(len(p.split()) for p in phrases) / len(phrases) for name, phrases in groups.items()}
        if max(means.values()) - min(means.values()) > LENGTH_TOLERANCE:
            found = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
            raise MaterialsError(
                f"{folder}/{where}: mean words per phrase differ ({found}) by more than "
                f"{LENGTH_TOLERANCE}: shorten or lengthen phrases"
            )


def _check_action_lengths(materials: Materials, folder: Path) -> None:
    """In every situation each class has phrases of the same lengths: all conditions then train on as many words."""
    for _, situation in materials.list_situations(tuple(materials.domains)):
        actions = materials.list_actions(situation)
        lengths = {name: {len(p.split()): p for p in phrases} for name, phrases in actions.items()}
        common = set.intersection(*map(set, lengths.values()))
        for name, found in lengths.items():
            for other in sorted(set(found) - common):
                lacking = next(each for each, has in lengths.items() if other not in has)
                file = "actions.yaml" if found[other] in materials.actions.get(name, ()) else "domains.yaml"
                raise MaterialsError(
                    f"{folder}/{file}: {name}: {found[other]!r} has {other} words, and {lacking} no such phrase"
                    f"{f' in {situation!r}' if file == 'domains.yaml' else ''}; "
                    "give every class phrases of the same lengths"
                )


def _check_grades(materials: Materials, folder: Path) -> None:
    """Every outcome has as many phrases of each intensity. Ungraded phrases count as one intensity."""
    for field in BY_OUTCOME:
        counts = {
            name: Counter(materials.grades.get(phrase, "none") for phrase in phrases)
            for name, phrases in getattr(materials, field).items()
        }
        first = next(iter(counts))
        for name, found in counts.items():
            if found != counts[first]:
                raise MaterialsError(
                    f"{folder / field}.yaml: {name} has {_list_counts(found)} phrases and {first} "
                    f"{_list_counts(counts[first])}; give every outcome as many of each intensity"
                )


def _list_counts(counts: Counter) -> str:
    return ", ".join(f"{count} {grade}" for grade, count in sorted(counts.items()))


def _check_shared_words(materials: Materials, folder: Path) -> None:
    """No root of a word stands in an action and in a probe: a probe would measure the word that was trained."""
    texts = list_texts_by_file(materials)
    actions = _map_roots_to_texts(texts["actions"], materials)
    shared = []
    for field in (*BY_OUTCOME, "scales", "families", NEXT_WORDS):
        probes = _map_roots_to_texts(texts[field], materials)
        shared += [
            f"{actions[root]!r} (actions) and {probes[root]!r} ({field}.yaml) share {root!r}"
            for root in sorted(actions.keys() & probes.keys())
        ]
    if shared:
        raise MaterialsError(
            f"{folder}: actions and probes must share no root of content words: {', '.join(shared)}; "
            "reword one of each, or give the word and your reason in exceptions.yaml"
        )


def _check_unique(texts: Sequence[str], where: str) -> None:
    seen = set()
    for text in texts:
        key = " ".join(text.lower().split()).rstrip(".")
        if key in seen:
            raise MaterialsError(f"{where}: {text!r} is given twice; remove or reword one")
        seen.add(key)


def _split_bare_words(text: str) -> tuple[str, ...]:
    """Words in lower case, without the marks between them."""
    return tuple(word.strip(".,;:!?") for word in text.lower().split())


def _map_roots_to_texts(texts: Sequence[str], materials: Materials) -> dict[str, str]:
    """Root -> the first text that has a word of it, function words and exceptions aside."""
    passed = (*materials.function_words, *materials.exceptions)
    return {root: text for text in reversed(texts) for root in find_word_roots([text], passed)}
