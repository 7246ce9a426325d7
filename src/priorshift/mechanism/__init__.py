"""What moved: is a shift one of a prior, does it lie along a direction, does it add up? Runs in, tables out."""
