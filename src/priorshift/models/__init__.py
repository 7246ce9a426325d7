"""Base models and adapters: where they lie, how they load, what they read."""
