"""Errors that a user can correct: one line, no traceback. And how a text is quoted in one."""

from __future__ import annotations


def quote(text: str, most: int = 40, tail: bool = False) -> str:
    """Quote a text for a message: where it is longer, its beginning or its end.

    Parameters
    ----------
    most : characters that are shown, three dots counted
    tail : whether its end matters

    Examples
    --------
    >>> print(quote("Nora sat down.", 20), quote("Nora sat down.", 8), quote("Nora sat down.", 8, tail=True))
    'Nora sat down.' 'Nora ...' '...down.'
    """
    if len(text) > most:
        text = "..." + text[3 - most :] if tail else text[: most - 3] + "..."
    return repr(text)


class UserError(ValueError):
    """A mistake in the user's input. The message says what was found and the way out."""

    def __str__(self) -> str:
        """The message in one line: what cannot be printed (a line end in a name, an escape code) is escaped."""
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in super().__str__())

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines in place of a traceback.
        return [f"{type(self).__name__}: {self}"]


class ParamsError(UserError):
    """A study, or a notebook parameter, that cannot be used."""


class MaterialsError(UserError):
    """Materials that cannot be loaded or that break a rule."""


class RunError(UserError):
    """A run that could not be finished."""
