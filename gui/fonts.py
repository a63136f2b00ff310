"""The two faces of the application, the same on every system: one for words, one for tokens and numbers.

They come in packages from the Python index. When a package is missing the system's own faces stand in.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from PySide6.QtGui import QFont, QFontDatabase

SANS = "Inter"
MONO = "JetBrains Mono"
_PACKAGES = ("fontpkg_inter", "fontpkg_jetbrains_mono")
_SANS_FALLBACK = ["Segoe UI", "Helvetica Neue", "Noto Sans", "DejaVu Sans", "sans-serif"]
_MONO_FALLBACK = ["Cascadia Mono", "Menlo", "Noto Sans Mono", "DejaVu Sans Mono", "monospace"]
_WEIGHT = QFont.Tag("wght")
_TABULAR = QFont.Tag("tnum")
_LIGATURES = (QFont.Tag("liga"), QFont.Tag("calt"))


def load_fonts() -> bool:
    """Make both faces known to Qt; needs a QGuiApplication. False when a system face stands in for one."""
    wanted = {SANS, MONO} - set(QFontDatabase.families())
    if not wanted:
        return True
    for package in _PACKAGES:
        for file in _font_files(package):
            wanted -= set(QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(file))))
    return not wanted


def _font_files(package: str) -> list[Path]:
    """Upright faces only: the window sets nothing in italics, and each file costs start-up time."""
    try:
        found = import_module(package).__file__
    except ImportError:
        return []
    files = sorted((Path(found).parent / "files").glob("*.ttf")) if found else []
    return [file for file in files if "Italic" not in file.name]


def ui_font(px: float, weight: int = 400) -> QFont:
    """The sans face at `px` device-independent pixels, figures of equal width; `weight` 100 to 900."""
    font = _font(px, weight, [SANS, *_SANS_FALLBACK])
    font.setFeature(_TABULAR, 1)
    return font


def mono_font(px: float, weight: int = 400) -> QFont:
    """The monospaced face at `px` device-independent pixels, without ligatures: a token is its letters."""
    font = _font(px, weight, [MONO, *_MONO_FALLBACK])
    font.setStyleHint(QFont.StyleHint.Monospace)
    for ligature in _LIGATURES:
        font.setFeature(ligature, 0)
    return font


def _font(px: float, weight: int, families: list[str]) -> QFont:
    font = QFont(families)
    font.setPixelSize(max(1, round(px)))
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    if families[0] in QFontDatabase.families():
        font.setVariableAxis(_WEIGHT, float(weight))  # QFont.setWeight does not reach a variable font here
    else:
        font.setWeight(QFont.Weight(weight))
    return font
