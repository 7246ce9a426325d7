"""What a study's YAML file may say, checked, with the materials and paths that it names."""
