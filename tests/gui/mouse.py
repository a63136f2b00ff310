"""Real mouse and wheel events at a place of a widget, given in its own coordinates."""

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton


def move(qtbot: QtBot, widget: QWidget, place: QPoint | QPointF) -> None:
    qtbot.mouseMove(widget, _whole(place))
    QApplication.processEvents()


def click(qtbot: QtBot, widget: QWidget, place: QPoint | QPointF) -> None:
    qtbot.mouseClick(widget, LEFT, pos=_whole(place))


def wheel(widget: QWidget, place: QPoint | QPointF, clicks: int, control: bool = False) -> None:
    modifier = Qt.KeyboardModifier.ControlModifier if control else Qt.KeyboardModifier.NoModifier
    where = QPointF(_whole(place))
    event = QWheelEvent(
        where,
        QPointF(widget.mapToGlobal(where)),
        QPoint(),
        QPoint(0, 120 * clicks),
        Qt.MouseButton.NoButton,
        modifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def ask_for_tip(widget: QWidget, place: QPoint | QPointF) -> None:
    at = _whole(place)
    QApplication.sendEvent(widget, QHelpEvent(QHelpEvent.Type.ToolTip, at, widget.mapToGlobal(at)))


def _whole(place: QPoint | QPointF) -> QPoint:
    return place.toPoint() if isinstance(place, QPointF) else place
