"""What a study's YAML says, checked."""
