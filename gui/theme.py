"""The look as values: two themes, the palette and style sheet made of them, and who says which one is shown.

Widgets get a `Theme` by `set_theme` and take every colour and size from it; `theme.scale` is the size of the
interface (Ctrl + and -). Knows no widget and no panel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import Template
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QGuiApplication, QPalette

from gui.colour_maps import diverging, ramp
from gui.fonts import load_fonts as load_fonts
from gui.fonts import mono_font as mono_font
from gui.fonts import ui_font as ui_font

Role = Literal["none", "previous", "induction", "duplicate", "negative", "positive", "accent"]
Choice = Literal["system", "dark", "light"]

GAMMA = 0.7  # of attention: thumbnails arrive with it applied, other attention is raised to it before the table
NEUTRAL = 128  # where signed colours have none: the index of zero
SMALLEST, SECONDARY, BODY = 11, 12, 13  # type sizes, px at 100 %
_STYLE = Path(__file__).resolve().parent.parent / "resources" / "themes" / "headscope.qss"
_SCALES = (1.0, 1.1, 1.25, 1.4, 1.6)


@dataclass(frozen=True)
class Theme:
    """Every colour of the window as "#rrggbb", and the scale of the interface (1.0 to 1.6)."""

    name: Literal["dark", "light"]
    window: str
    base: str
    raised: str
    hairline: str
    text: str
    subtle: str
    accent: str
    previous: str
    induction: str
    duplicate: str
    negative: str
    positive: str
    attention: tuple[str, ...]
    signed_low: tuple[str, ...]
    signed_high: tuple[str, ...]
    scale: float = 1.0

    @property
    def is_dark(self) -> bool:
        return self.name == "dark"

    def px(self, size: float) -> int:
        """A length given at 100 %, at the present scale."""
        return round(size * self.scale)

    def role(self, role: Role) -> str:
        """The colour of a head's or token's role; heads without one are quiet."""
        return self.subtle if role == "none" else str(getattr(self, role))

    def attention_lut(self) -> NDArray[np.uint8]:
        """(256, 3): index 0 is the window's own colour: no attention draws nothing. Indices carry GAMMA."""
        return _attention(self.attention)

    def signed_lut(self) -> NDArray[np.uint8]:
        """(256, 3): blue below, the window's colour at NEUTRAL, orange above."""
        return _signed(self.signed_low, self.window, self.signed_high)


@cache
def _attention(stops: tuple[str, ...]) -> NDArray[np.uint8]:
    return _read_only(ramp(stops, 256))


@cache
def _signed(low: tuple[str, ...], neutral: str, high: tuple[str, ...]) -> NDArray[np.uint8]:
    return _read_only(diverging(low, neutral, high))


def _read_only(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    table.flags.writeable = False
    return table


DARK = Theme(
    name="dark",
    window="#12151a",
    base="#191d24",
    raised="#21262f",
    hairline="#2e3541",
    text="#e8ebf0",
    subtle="#9aa5b4",
    accent="#58b7ff",
    previous="#22a390",
    induction="#f5a83c",
    duplicate="#b79bff",
    negative="#ef6f6c",
    positive="#6fcf7f",
    attention=("#12151a", "#24406f", "#3f74d1", "#9fb9e6", "#fdf6e3"),
    signed_low=("#2f66b8", "#8cc4ff"),
    signed_high=("#a8611a", "#ffc46b"),
)

# Previous-token, induction and positive are a shade darker than the sketch: as small text on a raised ground the
# sketch's own reach a contrast of only 4.0 to 4.3.
LIGHT = Theme(
    name="light",
    window="#f4f5f7",
    base="#ffffff",
    raised="#eef0f4",
    hairline="#d5dae2",
    text="#1b2129",
    subtle="#5b6675",
    accent="#0b6fc2",
    previous="#0a6358",
    induction="#a05a00",
    duplicate="#6a48c9",
    negative="#c23b38",
    positive="#27793a",
    attention=("#f4f5f7", "#b9cff0", "#6f9fe0", "#2f5cae", "#0c1d55"),
    signed_low=("#6ba3e0", "#0b4a94"),
    signed_high=("#dd9a4a", "#8a4300"),
)


def palette(theme: Theme) -> QPalette:
    """Qt's colours for the Fusion style."""
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.base,
        QPalette.ColorRole.AlternateBase: theme.raised,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.subtle,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.window,
        QPalette.ColorRole.Accent: theme.accent,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.Light: theme.raised,
        QPalette.ColorRole.Midlight: theme.hairline,
        QPalette.ColorRole.Mid: theme.hairline,
        QPalette.ColorRole.Dark: theme.hairline,
    }
    result = QPalette()
    for role, colour in roles.items():
        result.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.subtle))
    return result


def style_sheet(theme: Theme, scale: float) -> str:
    """The application's QSS at a scale: the few things that Fusion and the palette do not settle."""
    sized = replace(theme, scale=scale)
    values = {name: value for name, value in vars(theme).items() if isinstance(value, str)}
    sizes = {f"px{size}": f"{sized.px(size)}px" for size in (2, 4, 6, 8, 10, 11, 12, 13, 16, 24)}
    return Template(_STYLE.read_text(encoding="utf-8")).substitute(values | sizes)


class ThemeManager(QObject):
    """Which theme is shown, and how large; `changed` carries the new Theme (with its scale)."""

    changed = Signal(object)

    def __init__(self, choice: Choice = "system", scale: float = 1.0, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._choice: Choice = choice
        self._scale = _clamped(scale)
        self._theme = self._wanted()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_system)

    @property
    def theme(self) -> Theme:
        return self._theme

    @property
    def choice(self) -> Choice:
        return self._choice

    @property
    def scale(self) -> float:
        return self._scale

    def set_choice(self, choice: Choice) -> None:
        """Follow the system, or stay dark or light whatever it says."""
        self._choice = choice
        self._update()

    def set_scale(self, scale: float) -> None:
        """1.0 to 1.6; values outside are clamped."""
        self._scale = _clamped(scale)
        self._update()

    @Slot()
    def enlarge(self) -> None:
        """Ctrl +: the next larger step."""
        self.set_scale(next((step for step in _SCALES if step > self._scale + 0.01), _SCALES[-1]))

    @Slot()
    def reduce(self) -> None:
        """Ctrl -: the next smaller step."""
        self.set_scale(next((step for step in reversed(_SCALES) if step < self._scale - 0.01), _SCALES[0]))

    @Slot()
    def _follow_system(self) -> None:
        self._update()

    def _wanted(self) -> Theme:
        if self._choice == "system":
            dark = _system_is_dark()
        else:
            dark = self._choice == "dark"
        return replace(DARK if dark else LIGHT, scale=self._scale)

    def _update(self) -> None:
        wanted = self._wanted()
        if wanted != self._theme:
            self._theme = wanted
            self.changed.emit(wanted)


def _system_is_dark() -> bool:
    """Dark also where the system does not say."""
    return QGuiApplication.styleHints().colorScheme() != Qt.ColorScheme.Light


def _clamped(scale: float) -> float:
    return min(max(scale, _SCALES[0]), _SCALES[-1])
