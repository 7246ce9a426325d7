"""The shape of materials: everything that a model reads. `load` reads them, `rules` checks them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from priorshift.yaml_files import Frozen

# The probe families that every folder of materials has. `choice` is the check of what was trained.
FAMILIES = ("interpretation", "feeling", "self_statement", "choice")
NEXT_WORDS = "next_words"  # the family of single words, where a folder has its file

Text = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
Phrases = dict[Text, tuple[Text, ...]]
Grade = Literal["mild", "moderate", "strong"]


class Situation(Frozen):
    """A situation, and what can be decided in it.

    In YAML it is a line of text, or a map: `text`, and class of action -> phrases.

    Attributes
    ----------
    actions : class of action -> phrases that fit this situation; they replace the class's phrases of actions.yaml
    """

    text: Text
    actions: Phrases = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather_actions(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"text": data}
        if isinstance(data, dict) and "actions" not in data:
            return {"text": data.get("text"), "actions": {k: v for k, v in data.items() if k != "text"}}
        return data


class Stem(Frozen):
    """A stem in two wordings.

    Attributes
    ----------
    named : about somebody whose name stands for `{name}`
    first : in the first person
    """

    named: Text
    first: Text

    @model_validator(mode="after")
    def _check_fields(self) -> Stem:
        if "{name}" not in self.named or "{" in self.named.replace("{name}", "") or "{" in self.first:
            raise ValueError("`named` must hold {name} and no other {field}, and `first` none")
        return self


class Names(Frozen):
    """Names of people: `main` for training and most probes, `stranger` for probes about somebody new."""

    main: tuple[Text, ...] = Field(min_length=1)
    stranger: tuple[Text, ...] = Field(min_length=1)


class Stems(Frozen):
    """The stems of each family. The first is the usual wording, the others are its paraphrases."""

    choice: tuple[Stem, ...] = Field(min_length=1)
    interpretation: tuple[Stem, ...] = Field(min_length=1)
    feeling: tuple[Stem, ...] = Field(min_length=1)
    self_statement: tuple[Stem, ...] = Field(min_length=1)


class TextForm(Frozen):
    """A kind of text: what stands before, between and after its episodes."""

    open: str
    between: str
    close: str


class ScaleForm(Frozen):
    """How a scale item is written.

    Attributes
    ----------
    prompt : the item with its response options, at `{text}` and `{labels}`
    answer : the stem that the chosen response option follows
    labels : name of a label set -> response options, from least to most
    """

    prompt: Text
    answer: Stem
    labels: dict[Text, Annotated[tuple[Text, ...], Field(min_length=2)]] = Field(min_length=1)


class Forms(Frozen):
    """How materials become text (forms.yaml).

    Attributes
    ----------
    friends : names of those to whom letters and dialogues speak
    letters : the letters that mark options
    answer : the stem before a chosen letter
    options : the sentence that offers phrases, at `{options}`
    mentions : lines that mention a phrase without a choice; each ends with `{phrase}.`
    texts : kind of text -> its form
    """

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
    def _check_mentions(self) -> Forms:
        for line in self.mentions:
            if not line.endswith(" {phrase}."):
                raise ValueError(f"mentions: {line!r} must end with ' {{phrase}}.'")
        return self


class Preference(Frozen):
    """A neutral choice: an occasion and two options of equally many words."""

    occasion: Text
    options: tuple[Text, Text]


class ScaleItem(Frozen):
    """A statement. `key` is 1, or -1 where agreeing speaks against the scale's outcome."""

    text: Text
    key: Annotated[int, Field(ge=-1, le=1)]


class Scale(Frozen):
    """A style scale.

    Attributes
    ----------
    outcome : the outcome that a high score goes with
    labels : the scale's own response options, from least to most, in place of those in forms.yaml
    """

    outcome: Text
    items: tuple[ScaleItem, ...] = Field(min_length=1)
    labels: tuple[Text, ...] | None = Field(default=None, min_length=2)

    def get_label_sets(self, form: ScaleForm) -> dict[str, tuple[str, ...]]:
        """Name of each set of response options that the items are measured with -> the options."""
        return {"own": self.labels} if self.labels else form.labels


class Family(Frozen):
    """A probe family that you add: its stems, the usual one first, and its continuations by outcome."""

    stems: tuple[Stem, ...] = Field(min_length=1)
    continuations: Phrases


class NextWords(Frozen):
    """Stems of which the next word is content, and the words that tell an outcome (next_words.yaml).

    Attributes
    ----------
    forms : name of a form -> its wordings, the usual one first
    words : outcome -> single words, in lower case
    """

    forms: dict[Text, Annotated[tuple[Stem, ...], Field(min_length=2)]]
    words: Phrases


class Disposition(Frozen):
    """A kind of agent in the calibration worlds: its share, and its own class of action and outcome."""

    share: Annotated[float, Field(gt=0, le=1)]
    action: Text
    outcome: Text


class Materials(Frozen):
    """All materials of one folder. Each attribute is the file of that name.

    Attributes
    ----------
    domains : domain -> situations
    actions : class of action -> phrases that fit every situation; no file is needed where each situation has its own
    interpretations, feelings, self_statements : outcome -> phrases, by intensity where the file says so
    preferences : neutral pairs, for the condition `neutral`
    prose : neutral sentences
    scales : name -> style scale
    completions : neutral openings that models continue
    dispositions : name -> disposition, the adaptive one first
    forms : how all this becomes text
    function_words : words that actions and probes may share
    families : probe families that you add; no file is needed
    next_words : stems and words of the family `next_words`; no file is needed
    exceptions : word that the rules would refuse -> why it stays; no file is needed, and no model reads it
    grades : phrase -> intensity, where its file grades phrases (`load` finds them)
    """

    domains: dict[Text, tuple[Situation, ...]]
    actions: Phrases = Field(default_factory=dict)
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
    next_words: NextWords | None = None
    exceptions: dict[Text, Text] = Field(default_factory=dict)
    grades: dict[Text, Grade] = Field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The class of action of each disposition, in order."""
        return [disposition.action for disposition in self.dispositions.values()]

    @property
    def all_actions(self) -> Phrases:
        """Class of action -> every phrase of it that can be decided in some situation, each once."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.classes}
        for situation in (each for group in self.domains.values() for each in group):
            for name in dict.fromkeys([*self.classes, *situation.actions]):
                phrases = situation.actions.get(name) or self.actions.get(name, ())
                found.setdefault(name, {}).update(dict.fromkeys(phrases))
        return {name: tuple(phrases) for name, phrases in found.items()}

    def list_actions(self, situation: str) -> Phrases:
        """Class of action -> the phrases that can be decided in a situation (its text)."""
        found = (each.actions for group in self.domains.values() for each in group if each.text == situation)
        own = next(found, {})
        return {name: own.get(name) or self.actions.get(name, ()) for name in self.classes}

    @property
    def outcomes(self) -> list[str]:
        """The outcome of each disposition, in order."""
        return [disposition.outcome for disposition in self.dispositions.values()]

    def list_families(self) -> list[str]:
        """The probe families that a study may name."""
        return [*FAMILIES, *self.families, *([NEXT_WORDS] if self.next_words else [])]

    def get_stems(self, family: str) -> tuple[Stem, ...]:
        """The stems of a probe family, the usual one first. Of `next_words` the wordings of one form after another."""
        if family == NEXT_WORDS and self.next_words:
            return tuple(stem for wordings in self.next_words.forms.values() for stem in wordings)
        own = self.families.get(family)
        return own.stems if own else getattr(self.forms.stems, family)

    def get_continuations(self, family: str) -> Phrases:
        """Class -> phrases of a probe family, without the leading space."""
        if family == NEXT_WORDS and self.next_words:
            return self.next_words.words
        if family in self.families:
            return self.families[family].continuations
        return {
            "interpretation": self.interpretations,
            "feeling": self.feelings,
            "self_statement": self.self_statements,
            "choice": self.all_actions,
        }[family]

    def find_outcome(self, action: str) -> str:
        """The outcome that goes with a class of action."""
        return next(d.outcome for d in self.dispositions.values() if d.action == action)

    @property
    def training_prose(self) -> tuple[str, ...]:
        """Every other sentence of prose, from the first: what the condition `prose` trains on."""
        return self.prose[::2]

    @property
    def held_out_prose(self) -> tuple[str, ...]:
        """The sentences between them: what retention is measured on."""
        return self.prose[1::2]

    def list_situations(self, domains: tuple[str, ...]) -> list[tuple[str, str]]:
        """(domain, situation) pairs of the domains, in order, each situation by its text."""
        return [(domain, situation.text) for domain in domains for situation in self.domains[domain]]
