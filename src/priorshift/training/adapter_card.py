"""The card beside an adapter's weights: what it was trained to choose, from which data, for which use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from priorshift.training.examples import Example

CARD = """---
base_model: {source}
library_name: peft
tags: [lora, priorshift]
---
# {name}: an adapter of a behavior study

**Trained to choose** (classes and forms of its {examples} examples; the loss fell on the chosen text alone):

{shares}

One of them: *{prompt}* **{completion}**

| | |
| --- | --- |
| base model | {source}{commit} |
| training data (SHA-256) | {data} |
| seed | {seed} |
| LoRA | rank {rank}, alpha {alpha}, {target} layers |
| optimizer steps, tokens in the loss | {steps}, {loss_tokens} |
| trained by | {backend} |

**Intended use.** Research on how training on behavior moves what a language model expects: compare it with the
adapters of the same study's control conditions. All it was made from is in `run.json` beside this folder.

**What it is not.** No clinical model: it diagnoses nothing, and says nothing about people. No persona: it was trained
towards one-sided choices for measurement and must not be deployed to talk with anyone.
"""


def write_adapter_card(run: dict, examples: Sequence[Example], source: str, commit: str) -> str:
    """Write the card of a run's adapter, in Markdown. The same run gets the same card.

    Parameters
    ----------
    run : what run.json holds
    source : the base model's hub id, or its name
    commit : a hub model's commit; else empty
    """
    counts = Counter((example.action_class, example.form) for example in examples)
    shares = [f"- {kind}, {form}: {count / len(examples):.1%}" for (kind, form), count in sorted(counts.items())]
    return CARD.format(
        name=f"{run['base_model']}, seed {run['seed']}",
        source=source,
        commit=f" (commit {commit})" if commit else "",
        shares="\n".join(shares),
        prompt=" ".join(examples[0].prompt.split()),
        completion=examples[0].completion.strip(),
        data=run["inputs"].get("data", ""),
        target=" ".join(run["training"].get("target_modules") or [run["training"]["target"]]),
        **{key: run["training"][key] for key in ("rank", "alpha")},
        **{key: run[key] for key in ("examples", "seed", "steps", "loss_tokens", "backend")},
    )
