"""Colours that can be read and compared, faces that are there, and a theme that follows the system."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontInfo, QFontMetricsF, QGuiApplication, QPalette
from pytestqt.qtbot import QtBot

from gui.colour_maps import oklab
from gui.icons import icon
from gui.theme import DARK, LIGHT, Theme, ThemeManager, load_fonts, mono_font, palette, style_sheet, ui_font

BOTH = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
WORDS = ("text", "subtle", "accent", "previous", "induction", "duplicate", "negative", "positive")


def luminance(colour: str) -> float:
    parts = QColor(colour).getRgbF()[:3]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@BOTH
@pytest.mark.parametrize("ground", ["window", "base", "raised"])
@pytest.mark.parametrize("words", WORDS)
def test_that_every_text_colour_can_be_read_on_every_ground(theme: Theme, words: str, ground: str) -> None:
    assert contrast(getattr(theme, words), getattr(theme, ground)) >= 4.5


@BOTH
def test_that_no_attention_is_the_window_and_more_attention_is_ever_further_from_it(theme: Theme) -> None:
    table = theme.attention_lut()
    lightness = oklab(table)[:, 0]
    assert QColor(*table[0].tolist()).name() == theme.window
    steps = np.diff(lightness) * (1 if theme.is_dark else -1)
    assert (steps > 0).all()


@BOTH
def test_that_equal_steps_of_attention_look_equal(theme: Theme) -> None:
    lab = oklab(theme.attention_lut())
    far = np.linalg.norm(lab[16:] - lab[:-16], axis=1)
    assert far.max() / far.min() < 1.35


@BOTH
def test_that_signed_values_leave_the_window_colour_evenly_to_blue_and_orange(theme: Theme) -> None:
    table = theme.signed_lut()
    assert QColor(*table[128].tolist()).name() == theme.window
    lightness = oklab(table)[:, 0] * (1 if theme.is_dark else -1)
    assert (np.diff(lightness[:129]) < 0).all()
    assert (np.diff(lightness[128:]) > 0).all()
    assert table[0, 2] > table[0, 0]  # blue below
    assert table[255, 0] > table[255, 2]  # orange above


@BOTH
def test_that_signed_values_differ_for_readers_who_see_no_red(theme: Theme) -> None:
    """Protanopia (Vienot, Brettel and Mollon 1999): the two ends must still be far apart."""
    ends = (theme.signed_lut()[[0, 255]] / 255.0) ** 2.2
    lms = ends @ np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.02996, 0.18431, 1.46709]]).T
    lms[:, 0] = 2.02344 * lms[:, 1] - 2.52581 * lms[:, 2]
    assert abs(lms[0, 2] - lms[1, 2]) / lms[:, 2].max() > 0.5


def test_that_both_faces_are_there_and_bold_is_bolder_and_figures_are_as_wide_as_each_other(qtbot: QtBot) -> None:
    assert load_fonts()
    assert QFontInfo(ui_font(13)).family() == "Inter"
    assert QFontInfo(mono_font(13)).family() == "JetBrains Mono"
    plain, bold = QFontMetricsF(ui_font(13)), QFontMetricsF(ui_font(13, 600))
    assert bold.horizontalAdvance("Attention heads") > plain.horizontalAdvance("Attention heads")
    assert plain.horizontalAdvance("1111") == plain.horizontalAdvance("8888")
    mono = QFontMetricsF(mono_font(13))
    assert mono.horizontalAdvance("->") == mono.horizontalAdvance("ii")


@BOTH
def test_that_the_style_sheet_is_filled_and_grows_with_the_scale(theme: Theme) -> None:
    small, large = style_sheet(theme, 1.0), style_sheet(theme, 1.6)
    assert "$" not in small
    assert theme.raised in small
    assert small != large
    assert palette(theme).color(QPalette.ColorRole.Window).name() == theme.window


def test_that_the_theme_follows_the_system_until_it_is_chosen(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The offscreen platform has no scheme of its own: what it would say is put in its mouth."""
    manager = ThemeManager()
    told: list[Theme] = []
    manager.changed.connect(told.append)
    hints = QGuiApplication.styleHints()

    def system_turns(scheme: Qt.ColorScheme) -> None:
        monkeypatch.setattr("gui.theme._system_is_dark", lambda: scheme == Qt.ColorScheme.Dark)
        hints.colorSchemeChanged.emit(scheme)

    system_turns(Qt.ColorScheme.Light)
    assert manager.theme == LIGHT
    system_turns(Qt.ColorScheme.Dark)
    assert manager.theme == DARK
    manager.set_choice("light")
    system_turns(Qt.ColorScheme.Dark)
    assert manager.theme == LIGHT
    assert [theme.name for theme in told] == ["light", "dark", "light"]


def test_that_the_scale_goes_in_steps_and_stops_at_both_ends(qtbot: QtBot) -> None:
    manager = ThemeManager("dark")
    told: list[Theme] = []
    manager.changed.connect(told.append)
    for _ in range(10):
        manager.enlarge()
    assert manager.theme == replace(DARK, scale=1.6)
    assert manager.theme.px(11) == 18
    for _ in range(10):
        manager.reduce()
    assert manager.theme == DARK
    assert len(told) == 8


def test_that_an_icon_is_drawn_in_its_colour_and_sharp_on_dense_screens(qtbot: QtBot) -> None:
    drawn = icon("copy", "#ff0000", 16)
    dense = drawn.pixmap(drawn.availableSizes()[0], 2.0).toImage()
    colours = {dense.pixelColor(x, y).name() for x in range(dense.width()) for y in range(dense.height())}
    assert "#ff0000" in colours
    assert max(size.width() for size in drawn.availableSizes()) >= 16


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SEEN_BY = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
APART = 0.06  # in OKLab, in which 0.02 is just noticeable side by side
TOLD_APART = [("accent", "previous"), ("accent", "induction"), ("previous", "induction"), ("accent", "negative")]


def seen_by(colour: str, eye: str) -> NDArray[np.float64]:
    """A colour as that eye sees it, in OKLab."""
    parts = np.array(QColor(colour).getRgbF()[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(SEEN_BY[eye]) @ linear, 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.asarray(oklab((encoded * 255).round().astype(np.uint8)[None])[0], dtype=np.float64)


@BOTH
@pytest.mark.parametrize("eye", SEEN_BY)
def test_that_places_and_signs_are_told_apart_by_every_eye(theme: Theme, eye: str) -> None:
    """Kinds of edges need no colours: dashes and letters tell them; gain and loss go left and right of a line."""
    pairs = [(getattr(theme, one), getattr(theme, other)) for one, other in TOLD_APART]
    pairs += [(theme.signed_low[n], theme.signed_high[n]) for n in range(2)]
    apart = [float(np.linalg.norm(seen_by(one, eye) - seen_by(other, eye))) for one, other in pairs]
    assert min(apart) > APART, dict(zip(pairs, apart, strict=True))
