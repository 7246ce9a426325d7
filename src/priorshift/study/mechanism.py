"""The section `mechanism` of a study's YAML file: what notebook 08 asks. Every key is explained here."""

from __future__ import annotations

from priorshift.study.sections import OneLine
from priorshift.yaml_files import Frozen


class PriorFit(Frozen):
    """The section `mechanism.prior_fit`: is a shift one of the prior? For models of the calibration worlds.

    Attributes
    ----------
    worlds : the path of the worlds file, from the YAML file's folder
    """

    worlds: OneLine


class Mechanism(Frozen):
    """The section `mechanism`. Each analysis that is given is made; `analyses` must name 08_mechanism.

    Attributes
    ----------
    prior_fit : see `PriorFit`
    """

    prior_fit: PriorFit | None = None
