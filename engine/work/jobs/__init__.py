"""One function per request: the only place that calls circuits and model, for the window and the command
line.
"""
