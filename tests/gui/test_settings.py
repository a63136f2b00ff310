"""What is remembered, and that nonsense in the file does no harm."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray

from gui.settings import Settings, settings_folder


def test_that_everything_comes_back(tmp_path: Path) -> None:
    first = Settings(tmp_path)
    first.remember_prompt("default", 'a "quoted", ünïcode; prompt\nof two lines')
    first.remember_look("light", 1.25)
    first.remember_window(QByteArray(b"geometry"), "circuit", {"circuit": QByteArray(b"state")})
    first.remember_memory(2048)
    first.sync()
    again = Settings(tmp_path)
    assert again.prompt == 'a "quoted", ünïcode; prompt\nof two lines'
    assert (again.model, again.theme, again.scale) == ("default", "light", 1.25)
    assert again.geometry == QByteArray(b"geometry")
    assert again.memory == 2048
    assert again.workspace == "circuit"
    assert again.arrangement("circuit") == QByteArray(b"state")


def test_that_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    fresh = Settings(tmp_path)
    assert (fresh.prompt, fresh.model, fresh.theme, fresh.scale) == ("", "", "system", 1.0)
    assert fresh.geometry.isEmpty()
    assert fresh.memory == 512


def test_that_nonsense_counts_as_never_set(tmp_path: Path) -> None:
    (tmp_path / "headscope.ini").write_text(
        "[look]\ntheme=purple\nscale=huge\n[window]\ngeometry=7\n[engine]\nmemory=3\n"
    )
    odd = Settings(tmp_path)
    assert odd.memory == 512
    assert (odd.theme, odd.scale) == ("system", 1.0)
    assert odd.geometry.isEmpty()


def test_that_tests_keep_their_settings_apart(headscope_home: Path) -> None:
    assert settings_folder() == headscope_home
