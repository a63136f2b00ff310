"""What if: changes to a run, as values and as taps."""
