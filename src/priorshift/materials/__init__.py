"""The texts that models read, loaded and checked: phrases, prompts and questionnaires."""
