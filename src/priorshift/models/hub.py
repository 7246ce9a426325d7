"""Hub models: safetensors, tokenizer and configuration at one commit. Every failure is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from priorshift.errors import ParamsError
from priorshift.study.sections import BaseModelParams

# Pickled weights and Python files are never fetched. Weights that are there twice in another layout neither.
FETCHED = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
LEFT_OUT = ["*/*", "consolidated*"]


def find_cached_commit(params: BaseModelParams) -> str:
    """The commit of a hub model in the local cache, or an empty text where it is not there."""
    try:
        config = try_to_load_from_cache(params.source, "config.json", revision=params.revision)
    except HFValidationError:  # no hub id at all: loading says so
        return ""
    return Path(config).parent.name if isinstance(config, str) else ""


def fetch_snapshot(params: BaseModelParams, weights: bool = True) -> Path:
    """Fetch a hub model that is not in the local cache. Returns its folder, whose name is the commit.

    What is in the cache is kept, even where a branch has moved on: a study stays with the commit that it began with.

    Parameters
    ----------
    weights : whether they are fetched too; where false, only configuration and tokenizer are

    Raises
    ------
    ParamsError
        In one line that says what to do.
    """
    revision = find_cached_commit(params) or params.revision
    left_out = LEFT_OUT if weights else [*LEFT_OUT, "*.safetensors"]
    options = {"allow_patterns": FETCHED, "ignore_patterns": left_out, "max_workers": 4}
    return Path(_fetch_or_explain(params, lambda: snapshot_download(params.source, revision=revision, **options)))


def check_reachable(params: BaseModelParams) -> None:
    """Check that a hub model can be fetched, by its configuration alone.

    Raises
    ------
    ParamsError
        As `fetch_snapshot`.
    """
    if not find_cached_commit(params):
        _fetch_or_explain(params, lambda: hf_hub_download(params.source, "config.json", revision=params.revision))


def _fetch_or_explain(params: BaseModelParams, fetch: Callable[[], str]) -> str:
    try:
        return fetch()
    except Exception as problem:  # of many kinds, from the network to the disk
        raise ParamsError(
            f"base_models: {params.name}: cannot load {params.source!r} ({_explain(problem, params)}"
        ) from None


def _explain(problem: Exception, params: BaseModelParams) -> str:
    """What happened and the way out, to be put into an open bracket.

    The library's own text is never given: it may hold headers.
    """
    if isinstance(problem, HFValidationError):
        return "neither a directory that is there nor a hub id); give a hub id as owner/name, or a directory"
    if isinstance(problem, GatedRepoError):
        return "it is gated); ask for access on the model's page and log in with `hf auth login`"
    if isinstance(problem, RevisionNotFoundError):
        return f"it has no revision {params.revision!r}); give a branch, tag or commit that it has"
    if isinstance(problem, RepositoryNotFoundError):
        return "no such model, or a private one); give a hub id that can be reached, or log in with `hf auth login`"
    if isinstance(problem, LocalEntryNotFoundError):
        if constants.is_offline_mode():
            return "not whole in the local cache, and HF_HUB_OFFLINE is set); fetch it online, or give a directory"
        return "not in the local cache, and the hub cannot be reached); give a hub id that can be, or a directory"
    if isinstance(problem, HfHubHTTPError):
        status = getattr(problem.response, "status_code", "an error")
        return f"the hub answered {status}); try again later, or give a directory"
    if isinstance(problem, OSError) and problem.strerror:
        return f"cannot be stored: {problem.strerror}); free some space, or set HF_HOME to a larger disk"
    return f"{type(problem).__name__}); try again, or give a directory with config.json, tokenizer and safetensors"
