"""Commands: `python -m priorshift check STUDY` and `python -m priorshift report STUDY`."""

from __future__ import annotations

import sys

from priorshift.errors import UserError
from priorshift.params import LoadedStudy, load_study


def check(study: LoadedStudy) -> None:
    """Say what the study would run; loading it has checked it."""
    runs = study.select("all", "all", "all")
    print(f"{study.params.study}: {len(study.params.models)} base models, {len(runs)} runs")


def report(study: LoadedStudy) -> None:
    """Make report.html and manifest.json from the executed notebooks."""
    # Imported here: `check` starts in a moment without it.
    from priorshift.report import write_manifest, write_report

    write_report(study)
    write_manifest(study)
    print(f"report: {study.paths.report}")


COMMANDS = {"check": check, "report": report}


def main(arguments: list[str]) -> int:
    """Run a command; user mistakes end in one line and exit status 2."""
    if len(arguments) != 2 or arguments[0] not in COMMANDS:
        print(f"usage: python -m priorshift {'|'.join(COMMANDS)} STUDY.yaml", file=sys.stderr)
        return 2
    try:
        COMMANDS[arguments[0]](load_study(arguments[1]))
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
