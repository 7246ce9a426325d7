"""From a model to its measurements: probe items, questionnaires, neutral prose and completions."""
