"""What may be done to a run from the window: what is offered where, painted patterns, and stacks in files."""
