"""Panel frames, the sentence bar and toasts."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QColor, QEnterEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QLabel, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from gui.theme import BODY, DARK, LIGHT
from gui.widgets.marked_text import MarkedText, pieces
from gui.widgets.panel_frame import PanelFrame
from gui.widgets.sentence_bar import SentenceBar
from gui.widgets.toast import ToastStack
from tests.gui.mouse import click


def has_colour(image: QImage, colour: str) -> bool:
    wanted = QColor(colour).rgb()
    return any(image.pixel(x, y) == wanted for x in range(image.width()) for y in range(image.height()))


# ---------------------------------------------------------------- panel frame
@pytest.fixture
def frame(qtbot: QtBot) -> Iterator[PanelFrame]:
    body = QWidget()
    body.setAutoFillBackground(True)
    body.setStyleSheet("background: #123456")
    frame = PanelFrame("Attention heads", body)
    qtbot.addWidget(frame)
    frame.resize(420, 300)
    frame.show()
    return frame


def test_that_the_two_controls_of_every_panel_tell(qtbot: QtBot, frame: PanelFrame) -> None:
    copy, save, _more = frame.findChildren(QToolButton)
    with qtbot.waitSignal(frame.copyFigure):
        click(qtbot, copy, copy.rect().center())
    with qtbot.waitSignal(frame.saveNumbers):
        click(qtbot, save, save.rect().center())
    assert (copy.accessibleName(), save.accessibleName()) == ("Copy figure", "Save numbers")


def test_that_a_new_control_stands_before_copy_and_save(frame: PanelFrame) -> None:
    sort = QToolButton(frame)
    frame.add_control(sort)
    QApplication.processEvents()
    places = [button.x() for button in (sort, *frame.findChildren(QToolButton)[:2])]
    assert places == sorted(places)


def test_that_a_long_note_gives_way_to_title_and_controls(frame: PanelFrame) -> None:
    frame.set_note("rows: where · columns: at whom · " * 8)
    QApplication.processEvents()
    note = next(label for label in frame.findChildren(QLabel) if label.text().startswith("rows"))
    assert note.text().endswith("…")
    assert frame.width() == 420
    frame.resize(1400, 300)
    assert "rows: where · columns: at whom · rows" in note.text()


def test_that_a_figure_has_title_and_body_at_twice_the_size_but_no_controls(frame: PanelFrame) -> None:
    frame.set_role("induction")
    sort = QToolButton(frame)
    sort.setText("Sort")
    sort.setStyleSheet("background: #ff00ff; border: none")
    frame.add_control(sort)
    QApplication.processEvents()
    image = frame.drawing().image(2.0)
    assert image.width() == 2 * frame.width()
    assert has_colour(image, "#123456")
    assert has_colour(image, DARK.induction)
    assert not has_colour(image, "#ff00ff")
    assert has_colour(frame.grab().toImage(), "#ff00ff")


# ---------------------------------------------------------------- sentence bar
LONG = "“ keeper” attends to “ Orla” with <b>0.88</b>; without head <induction>1.3</induction> it falls to 9 %."


@pytest.fixture
def bar(qtbot: QtBot) -> Iterator[SentenceBar]:
    bar = SentenceBar()
    qtbot.addWidget(bar)
    bar.resize(1200, bar.height())
    bar.set_sentence(LONG, "Copies", "positive", "measured on this prompt", "How did it know?")
    bar.show()
    return bar


def test_that_marks_become_weights_and_colours_and_spaces_stay() -> None:
    read = pieces("a <b> keeper</b> &lt;b&gt; <induction><b>1.3</b> x</induction>")
    assert [(piece.text, piece.strong, piece.role) for piece in read] == [
        ("a ", False, "none"),
        (" keeper", True, "none"),
        (" <b> ", False, "none"),
        ("1.3", True, "induction"),
        (" x", False, "induction"),
    ]


@pytest.mark.parametrize("width", [90.0, 200.0, 333.0, 2000.0])
def test_that_a_sentence_wraps_between_words_and_loses_none(qtbot: QtBot, width: float) -> None:
    text = MarkedText(pieces(LONG * 3), BODY, width)
    shown = " ".join("".join(word.text for word in text.words).split())
    plain = " ".join("".join(piece.text for piece in pieces(LONG * 3)).split())
    assert shown.replace(" ", "") == plain.replace(" ", "")
    assert text.lines >= 1
    assert all(word.at.x() <= width for word in text.words)
    lines = {round(word.at.y()) for word in text.words}
    assert len(lines) == text.lines


def test_that_the_sentence_is_never_cut_and_its_quiet_words_give_way_first(bar: SentenceBar) -> None:
    one_line = bar.height()
    assert has_colour(bar.grab().toImage(), DARK.positive)
    assert has_colour(bar.grab().toImage(), DARK.induction)
    bar.resize(700, bar.height())
    assert bar.height() == one_line
    bar.resize(420, bar.height())
    assert bar.height() > one_line
    bar.set_theme(replace(LIGHT, scale=1.6))
    bar.resize(420, bar.height())
    assert bar._text.height <= bar.height()
    assert bar.toolTip() == "measured on this prompt"


def test_that_it_says_itself_aloud_and_its_button_tells(qtbot: QtBot, bar: SentenceBar) -> None:
    assert bar.accessibleDescription().startswith("Copies “ keeper” attends")
    button = next(child for child in bar.children() if isinstance(child, QWidget))
    with qtbot.waitSignal(bar.buttonClicked):
        click(qtbot, button, button.rect().center())
    bar.set_sentence("Nothing to copy.")
    assert not button.isVisible()


# ---------------------------------------------------------------- toasts
@pytest.fixture
def window(qtbot: QtBot) -> Iterator[QWidget]:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(900, 600)
    window.show()
    return window


def test_that_toasts_stack_in_the_lower_right_corner_and_follow_the_window(window: QWidget) -> None:
    stack = ToastStack(window)
    first = stack.show_message("One", stay_ms=0)
    second = stack.show_message("Two", "What to do about it", "details", stay_ms=0)
    assert first.geometry().bottom() < second.geometry().top()
    window.resize(1200, 800)
    QApplication.processEvents()
    for toast in stack.toasts():
        assert window.rect().contains(toast.geometry())
        assert toast.geometry().right() > 1150


def test_that_the_same_message_is_shown_once_and_many_stay_few(window: QWidget) -> None:
    stack = ToastStack(window)
    for number in range(9):
        stack.show_message("Again", str(number), stay_ms=0)
    assert len(stack.toasts()) == 1
    for number in range(9):
        stack.show_message(f"Message {number}", stay_ms=0)
    assert len(stack.toasts()) <= 4
    assert stack.toasts()[-1].accessibleName() == "Message 8"


def test_that_a_toast_goes_by_itself_but_not_while_it_is_read(qtbot: QtBot, window: QWidget) -> None:
    stack = ToastStack(window)
    toast = stack.show_message("Soon gone", stay_ms=60)
    QApplication.sendEvent(toast, QEnterEvent(QPoint(5, 5), QPoint(5, 5), QPoint(5, 5)))
    qtbot.wait(200)
    assert stack.toasts() == (toast,)
    with qtbot.waitSignal(toast.dismissed):
        QApplication.sendEvent(toast, QEvent(QEvent.Type.Leave))
    assert stack.toasts() == ()


def test_that_details_are_copied_and_escape_and_the_cross_dismiss(qtbot: QtBot, window: QWidget) -> None:
    stack = ToastStack(window)
    toast = stack.show_message("It broke", "Try again", "Traceback", role="negative", stay_ms=0)
    click(qtbot, toast.copy_button, toast.copy_button.rect().center())
    assert QGuiApplication.clipboard().text() == "It broke\nTry again\nTraceback"
    toast.setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.waitSignal(toast.dismissed):
        qtbot.keyClick(toast, Qt.Key.Key_Escape)
    other = stack.show_message("Another", stay_ms=0)
    with qtbot.waitSignal(other.dismissed):
        click(qtbot, other.close_button, other.close_button.rect().center())
    assert stack.toasts() == ()


def test_that_the_stack_bears_events_while_python_takes_it_apart(window: QWidget) -> None:
    stack = ToastStack(window)
    kept = dict(vars(stack))
    vars(stack).clear()  # as the collector does before Qt's side goes
    assert not stack.eventFilter(window, QEvent(QEvent.Type.Hide))
    vars(stack).update(kept)
