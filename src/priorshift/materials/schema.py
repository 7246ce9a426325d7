"""Materials: the shape of everything that a model reads. `material_files` loads it, `material_rules` checks it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from priorshift.yaml_files import Frozen

FAMILIES = ("interpretation", "feeling", "self_statement", "choice")

Text = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
Phrases = dict[Text, tuple[Text, ...]]


class Stem(Frozen):
    """A stem in two wordings: about somebody named, and in the first person."""

    named: Text
    first: Text

    @model_validator(mode="after")
    def _fields(self) -> Stem:
        if "{name}" not in self.named or "{" in self.named.replace("{name}", "") or "{" in self.first:
            raise ValueError("`named` must hold {name} and no other {field}, and `first` none")
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
    """Items of one outcome; `labels` are response options of its own, from least to most, in place of the form's."""

    outcome: Text
    items: tuple[ScaleItem, ...] = Field(min_length=1)
    labels: tuple[Text, ...] | None = Field(default=None, min_length=2)

    def label_sets(self, form: ScaleForm) -> dict[str, tuple[str, ...]]:
        """Name of each set of response options that its items are asked with -> the options."""
        return {"own": self.labels} if self.labels else form.labels


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
