"""Whether a study's claims were registered before its data, in words."""

from __future__ import annotations

import pandas as pd

DECLARED = "So its claims are called declared, not confirmatory."


def warn_of_registration(registration: pd.DataFrame) -> str:
    """Say that the design run is not the one registered, or that it was registered too late. Empty else.

    Parameters
    ----------
    registration : the table of that name, as written
    """
    row = registration.iloc[0]
    if row["differs"]:
        return (
            "**This study was run under another design than the one registered.** Parts that differ: "
            f"{row['differs'].replace('_', ' ')}. The registration is of {row['registered']}, {_tell_hash(row)}. "
            f"It does not stand for what follows. {DECLARED}"
        )
    if row["late"]:
        return (
            f"**This study was registered after its first measurement**, {row['registered']}, {_tell_hash(row)}. "
            f"{DECLARED}"
        )
    return ""


def describe_registration(registration: pd.DataFrame) -> str:
    """Say when the design was registered, with its hash, or that it was not."""
    row = registration.iloc[0]
    if not row["registered"]:
        return f"**Not registered.** No file older than the data holds this design. {DECLARED}"
    if row["status"] != "registered":
        return warn_of_registration(registration)
    changed = " The code of the tests has changed since." if row["analysis"] == "other" else ""
    return (
        f"**Registered** before any run was measured, {row['registered']}, {_tell_hash(row)}. "
        f"Its first digits, `{row['registration']}`, stand in every table of claims.{changed} "
        "The date is the file's own: a public commit or deposit shows it to others."
    )


def _tell_hash(row: pd.Series) -> str:
    return f"SHA-256 `{row['sha256']}`"
