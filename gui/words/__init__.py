"""Numbers to the sentences of single panels: pure functions, no Qt. They say what happened, never more."""
