"""What is remembered from one start to the next: prompt, model, theme, size and arrangement of the window.

Kept in one ini file in the user's configuration folder; one that cannot be read or written stops nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from platformdirs import user_config_path
from PySide6.QtCore import QByteArray, QSettings

from gui.theme import Choice

FOLDER_VARIABLE = "HEADSCOPE_HOME"
LAYOUT_VERSION = 2
MEMORY, LEAST_MEMORY = 512, 16  # megabytes
MOST_RECENT = 8


def settings_folder() -> Path:
    """The user's configuration folder, or the one that HEADSCOPE_HOME names (tests keep theirs apart)."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_config_path("headscope", appauthor=False)


class Settings:
    """Typed access to the ini file; a value that makes no sense counts as never set."""

    def __init__(self, folder: Path | None = None) -> None:
        path = (folder or settings_folder()) / "headscope.ini"
        self._store = QSettings(str(path), QSettings.Format.IniFormat)

    @property
    def prompt(self) -> str:
        return self._text("prompt/text")

    @property
    def model(self) -> str:
        return self._text("prompt/model")

    def remember_prompt(self, model: str, text: str) -> None:
        self._store.setValue("prompt/model", model)
        self._store.setValue("prompt/text", text)

    @property
    def theme(self) -> Choice:
        choices: dict[str, Choice] = {"dark": "dark", "light": "light"}
        return choices.get(self._text("look/theme"), "system")

    @property
    def scale(self) -> float:
        try:
            return float(self._text("look/scale"))
        except ValueError:
            return 1.0

    @property
    def memory(self) -> int:
        """Megabytes that one computation may take."""
        try:
            megabytes = int(self._text("engine/memory"))
        except ValueError:
            return MEMORY
        return megabytes if megabytes >= LEAST_MEMORY else MEMORY

    def remember_memory(self, megabytes: int) -> None:
        self._store.setValue("engine/memory", str(megabytes))

    @property
    def recent(self) -> tuple[str, ...]:
        """Model files and folders that were opened, the latest first."""
        try:
            paths = json.loads(self._text("models/recent") or "[]")
        except ValueError:
            return ()
        known = isinstance(paths, list) and all(isinstance(path, str) for path in paths)
        return tuple(paths[:MOST_RECENT]) if known else ()

    def remember_recent(self, path: str) -> None:
        others = [other for other in self.recent if other != path]
        self._store.setValue("models/recent", json.dumps([path, *others][:MOST_RECENT]))

    def forget_recent(self) -> None:
        self._store.remove("models/recent")

    def remember_look(self, theme: Choice, scale: float) -> None:
        self._store.setValue("look/theme", theme)
        self._store.setValue("look/scale", str(scale))

    @property
    def geometry(self) -> QByteArray:
        return self._bytes("window/geometry")

    @property
    def workspace(self) -> str:
        return self._text("window/workspace")

    def arrangement(self, workspace: str) -> QByteArray:
        """How the panels of a workspace were left, empty when it never was."""
        return self._bytes(f"window/{workspace}{LAYOUT_VERSION}")

    def remember_window(self, geometry: QByteArray, workspace: str, arrangements: dict[str, QByteArray]) -> None:
        self._store.setValue("window/geometry", geometry)
        self._store.setValue("window/workspace", workspace)
        for name, state in arrangements.items():
            self._store.setValue(f"window/{name}{LAYOUT_VERSION}", state)

    def sync(self) -> None:
        self._store.sync()

    def _text(self, key: str) -> str:
        value = self._store.value(key, "")
        return value if isinstance(value, str) else ""

    def _bytes(self, key: str) -> QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()
