"""Where the user's own files lie."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path


def user_folder() -> Path:
    """The user's own models: GGUF files, and one folder for each other model; HEADSCOPE_HOME moves it."""
    home = os.environ.get("HEADSCOPE_HOME")
    return (Path(home) if home else user_data_path("headscope", appauthor=False)) / "models"
