"""How a user's mistake is refused."""

from __future__ import annotations

import pytest

from priorshift.errors import UserError


def read_refusal(load, *arguments):
    """The message with which a call refuses its arguments: one line, all of it printable."""
    with pytest.raises(UserError) as caught:
        load(*arguments)
    message = str(caught.value)
    assert message.isprintable() and message, repr(message)
    return message
