"""Materials: everything that a model reads, loaded from YAML and checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import snowballstemmer
from pydantic import Field, model_validator

from priorshift.errors import MaterialsError
from priorshift.yamlio import Frozen, read_yaml, validate

FAMILIES = ("interpretation", "feeling", "self_statement", "choice")

Text = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
Phrases = dict[Text, tuple[Text, ...]]
EXTENDS = "extends.yaml"
_STEMMER = snowballstemmer.stemmer("english")


class Stem(Frozen):
    """A stem in two wordings: about somebody named, and in the first person."""

    named: Text
    first: Text

    @model_validator(mode="after")
    def _fields(self) -> Stem:
        if "{name}" not in self.named or "{" in self.first:
            raise ValueError("`named` must hold {name} and `first` must hold no {field}")
        return self


class Names(Frozen):
    main: tuple[Text, ...] = Field(min_length=1)
    stranger: tuple[Text, ...] = Field(min_length=1)


class Stems(Frozen):
    choice: tuple[Stem, ...] = Field(min_length=1)
    interpretation: tuple[Stem, ...] = Field(min_length=1)
    feeling: tuple[Stem, ...] = Field(min_length=1)
    self_statement: tuple[Stem, ...] = Field(min_length=1)


class TextForm(Frozen):
    open: str
    between: str
    close: str


class ScaleForm(Frozen):
    prompt: Text
    answer: Stem
    labels: dict[Text, tuple[Text, ...]]


class Forms(Frozen):
    """How materials become text (forms.yaml)."""

    names: Names
    friends: tuple[Text, ...] = Field(min_length=1)
    stems: Stems
    letters: tuple[Text, ...] = Field(min_length=2)
    answer: Stem
    options: Text
    mentions: tuple[Text, ...] = Field(min_length=1)
    scale: ScaleForm
    texts: dict[Text, TextForm]

    @model_validator(mode="after")
    def _mentions_end_in_a_phrase(self) -> Forms:
        for line in self.mentions:
            if not line.endswith(" {phrase}."):
                raise ValueError(f"mentions: {line!r} must end with ' {{phrase}}.'")
        return self


class Preference(Frozen):
    """A neutral choice: an occasion and two options of equally many words."""

    occasion: Text
    options: tuple[Text, Text]


class ScaleItem(Frozen):
    text: Text
    key: Annotated[int, Field(ge=-1, le=1)]


class Scale(Frozen):
    outcome: Text
    items: tuple[ScaleItem, ...] = Field(min_length=1)


class Family(Frozen):
    """A probe family of your own: its stems (the first one canonical) and its continuations by outcome."""

    stems: tuple[Stem, ...] = Field(min_length=1)
    continuations: Phrases


class Disposition(Frozen):
    share: Annotated[float, Field(gt=0, le=1)]
    action: Text
    outcome: Text


class Materials(Frozen):
    """All materials of one folder, checked.

    Attributes
    ----------
    domains : domain -> situations
    actions : class of action -> phrases
    interpretations, feelings, self_statements : outcome -> phrases
    families : further probe families (the one file that a folder may lack)
    """

    domains: Phrases
    actions: Phrases
    interpretations: Phrases
    feelings: Phrases
    self_statements: Phrases
    preferences: tuple[Preference, ...]
    prose: tuple[Text, ...]
    scales: dict[Text, Scale]
    completions: tuple[Text, ...]
    dispositions: dict[Text, Disposition]
    forms: Forms
    function_words: tuple[Text, ...]
    families: dict[Text, Family] = Field(default_factory=dict)

    def stems(self, family: str) -> tuple[Stem, ...]:
        """The stems of a probe family, the canonical one first."""
        own = self.families.get(family)
        return own.stems if own else getattr(self.forms.stems, family)

    def continuations(self, family: str) -> Phrases:
        """Class -> phrases of a probe family, without the leading space."""
        if family in self.families:
            return self.families[family].continuations
        return {
            "interpretation": self.interpretations,
            "feeling": self.feelings,
            "self_statement": self.self_statements,
            "choice": self.actions,
        }[family]

    def outcome_of(self, action: str) -> str:
        """The outcome that goes with a class of action."""
        return next(d.outcome for d in self.dispositions.values() if d.action == action)

    @property
    def training_prose(self) -> tuple[str, ...]:
        """Every other sentence of prose: what continued pretraining may read."""
        return self.prose[::2]

    @property
    def held_out_prose(self) -> tuple[str, ...]:
        """The sentences between them: what retention is measured on."""
        return self.prose[1::2]

    def situations(self, domains: tuple[str, ...]) -> list[tuple[str, str]]:
        """(domain, situation) pairs of the domains, in order."""
        return [(domain, text) for domain in domains for text in self.domains[domain]]


# Least numbers for a full set of materials; smaller sets estimate nothing of use.
LEAST = {
    "domains": 16,
    "actions": 20,
    "interpretations": 20,
    "feelings": 12,
    "self_statements": 16,
    "preferences": 40,
    "prose": 20,
    "completions": 1,
}
SITUATIONS_PER_DOMAIN = 12
LENGTH_TOLERANCE = 0.5


def load_materials(folder: Path | str) -> Materials:
    """Load and check every YAML file of a materials folder.

    Raises
    ------
    MaterialsError
        Naming the file and the phrase, when a file is missing, malformed or breaks a rule.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MaterialsError(f"{folder}: no such folder; `materials` must name a folder of YAML files")
    known = {f"{field}.yaml" for field in Materials.model_fields} | {EXTENDS}
    folders = _folders(folder)
    for path in sorted(path for part in folders for path in part.glob("*.y*ml")):
        if path.name not in known:
            raise MaterialsError(f"{path}: unknown materials file; expected {', '.join(sorted(known))}")
    fields = set(Materials.model_fields)
    if not any((part / "families.yaml").exists() for part in folders):
        fields -= {"families"}
    data = {field: _tuples(_read(folders, f"{field}.yaml")) for field in sorted(fields)}
    if isinstance(data["function_words"], tuple):
        words = (str(line).split() for line in data["function_words"])
        data["function_words"] = tuple(chain.from_iterable(words))
    materials = validate(Materials, data, str(folder), MaterialsError)
    by_class = (_check_counts, _check_classes, _check_families)
    for rule in (*by_class, _check_duplicates, _check_preferences, _check_lengths, _check_leakage):
        rule(materials, folder)
    return materials


def materials_files(folder: Path | str) -> list[Path]:
    """The YAML files that a folder's materials are made of: those of the folder it extends, then its own."""
    return [path for part in _folders(Path(folder)) for path in sorted(part.glob("*.yaml"))]


def _folders(folder: Path) -> list[Path]:
    """The folder that `extends.yaml` names, if any, and the folder itself."""
    path = folder / EXTENDS
    if not path.exists():
        return [folder]
    name = read_yaml(path, MaterialsError)
    base = folder / name if isinstance(name, str) else None
    if base is None or not base.is_dir() or (base / EXTENDS).exists():
        raise MaterialsError(
            f"{path}: found {name!r}; expected the path, from here, of a folder of materials that extends no other"
        )
    return [base, folder]


def _read(folders: list[Path], name: str) -> object:
    """One file of the materials: a map of a later folder adds to the one before it, anything else replaces it."""
    paths = [folder / name for folder in folders if (folder / name).exists()] or [folders[-1] / name]
    found: object = None
    for path in paths:
        own = read_yaml(path, MaterialsError)
        if not own:
            raise MaterialsError(f"{path}: the file is empty; it must hold the {path.stem}")
        found = found | own if isinstance(found, dict) and isinstance(own, dict) else own
    return found


def check_scales(scales: dict[str, Scale], outcomes: Sequence[str], where: str) -> None:
    """Each scale names a known outcome and has items of both keys, so that agreeing to all scores the midpoint."""
    for name, scale in scales.items():
        if scale.outcome not in outcomes:
            raise MaterialsError(f"{where}: {name}: found outcome {scale.outcome!r}; expected one of {list(outcomes)}")
        keys = {item.key for item in scale.items}
        if 0 in keys:
            raise MaterialsError(f"{where}: {name}: found key 0; expected 1 or -1 (reverse-keyed)")
        if keys != {1, -1}:
            raise MaterialsError(
                f"{where}: {name}: found items with key {keys.pop()} only; add items of the other key, "
                "without which agreeing cannot be told from the trait"
            )


def texts_of(materials: Materials) -> list[str]:
    """Every phrase and sentence that a study may put before a model."""
    return [text for texts in _texts(materials).values() for text in texts]


def materials_hash(folder: Path | str) -> str:
    """SHA-256 over the YAML files that the materials are made of (names and bytes)."""
    digest = hashlib.sha256()
    for path in materials_files(folder):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def content_words(texts: list[str] | tuple[str, ...], function_words: tuple[str, ...]) -> dict[str, str]:
    """Stem of each content word -> one word that has it (Snowball's English stemmer)."""
    passed = {word.lower() for word in function_words}
    words = {word.lower() for text in texts for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text)}
    return {_STEMMER.stemWord(word): word for word in sorted(words - passed)}


def _tuples(data: object) -> object:
    """Lists become tuples, all the way down: strict validation takes no list for a tuple."""
    if isinstance(data, list):
        return tuple(_tuples(item) for item in data)
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    return data


def _check_counts(materials: Materials, folder: Path) -> None:
    for field, least in LEAST.items():
        value = getattr(materials, field)
        groups = {"": value}
        if isinstance(value, dict) and field != "domains":
            groups = value
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


def _check_classes(materials: Materials, folder: Path) -> None:
    actions = [d.action for d in materials.dispositions.values()]
    outcomes = [d.outcome for d in materials.dispositions.values()]
    expected = {"actions": actions} | {f: outcomes for f in ("interpretations", "feelings", "self_statements")}
    for field, classes in expected.items():
        found = list(getattr(materials, field))
        if sorted(found) != sorted(classes):
            raise MaterialsError(
                f"{folder / field}.yaml: found classes {found}; dispositions.yaml names {classes}: make them agree"
            )
    check_scales(materials.scales, outcomes, f"{folder}/scales.yaml")
    total = sum(d.share for d in materials.dispositions.values())
    if abs(total - 1) > 1e-9:
        raise MaterialsError(f"{folder}/dispositions.yaml: the shares sum to {total:g}; expected 1")
    if len(materials.forms.letters) < len(actions):
        raise MaterialsError(
            f"{folder}/forms.yaml: found {len(materials.forms.letters)} letters for {len(actions)} options: add letters"
        )


def _check_families(materials: Materials, folder: Path) -> None:
    outcomes = [d.outcome for d in materials.dispositions.values()]
    for name, family in materials.families.items():
        if name in FAMILIES:
            raise MaterialsError(f"{folder}/families.yaml: {name!r} is a family already; give yours another name")
        if sorted(family.continuations) != sorted(outcomes):
            raise MaterialsError(
                f"{folder}/families.yaml: {name}: found classes {list(family.continuations)}; "
                f"dispositions.yaml names {outcomes}: make them agree"
            )
        if any(not phrases for phrases in family.continuations.values()):
            raise MaterialsError(f"{folder}/families.yaml: {name}: found a class without phrases: add some")


def _texts(materials: Materials) -> dict[str, list[str]]:
    """Every phrase of each file, in order."""
    grouped = {
        field: [p for group in getattr(materials, field).values() for p in group]
        for field in ("domains", "actions", "interpretations", "feelings", "self_statements")
    }
    return grouped | {
        "preferences": [p for pair in materials.preferences for p in pair.options],
        "prose": list(materials.prose),
        "scales": [item.text for scale in materials.scales.values() for item in scale.items],
        "completions": list(materials.completions),
        "families": [p for f in materials.families.values() for group in f.continuations.values() for p in group],
    }


def _check_duplicates(materials: Materials, folder: Path) -> None:
    for field, texts in _texts(materials).items():
        seen = set()
        for text in texts:
            key = " ".join(text.lower().split()).rstrip(".")
            if key in seen:
                raise MaterialsError(f"{folder / field}.yaml: {text!r} is given twice; remove or reword one")
            seen.add(key)


def _check_preferences(materials: Materials, folder: Path) -> None:
    for pair in materials.preferences:
        lengths = [len(option.split()) for option in pair.options]
        if lengths[0] != lengths[1]:
            raise MaterialsError(
                f"{folder}/preferences.yaml: {list(pair.options)} have {lengths[0]} and {lengths[1]} words; "
                "both options of a pair need equally many"
            )


def _check_lengths(materials: Materials, folder: Path) -> None:
    fields = ("actions", "interpretations", "feelings", "self_statements")
    grouped = {f"{field}.yaml": getattr(materials, field) for field in fields}
    grouped |= {f"families.yaml: {name}": family.continuations for name, family in materials.families.items()}
    for where, groups in grouped.items():
        means = {name: sum(len(p.split()) for p in phrases) / len(phrases) for name, phrases in groups.items()}
        if max(means.values()) - min(means.values()) > LENGTH_TOLERANCE:
            shown = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
            raise MaterialsError(
                f"{folder}/{where}: mean words per phrase differ ({shown}) by more than "
                f"{LENGTH_TOLERANCE}: shorten or lengthen phrases"
            )


def _check_leakage(materials: Materials, folder: Path) -> None:
    texts = _texts(materials)
    actions = content_words(texts["actions"], materials.function_words)
    for field in ("interpretations", "feelings", "self_statements", "scales", "families"):
        probes = content_words(texts[field], materials.function_words)
        for stem in sorted(actions.keys() & probes.keys()):
            raise MaterialsError(
                f"{folder}/actions.yaml and {field}.yaml share the content word {actions[stem]!r}"
                f" ({probes[stem]!r}); reword one of them"
            )
