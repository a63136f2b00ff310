"""Pure functions about circuits: weights or a run in, numbers out. No files, no threads, no Qt."""
