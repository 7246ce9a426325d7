"""What is done, in what order, and whether it is finished."""
