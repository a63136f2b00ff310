"""What every panel stands in: a dock with a title line, small controls at its right, and a body. No frame.

What every panel lets out (figure, numbers, code) is there as a signal; whoever makes the panel connects it.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, Signal, SignalInstance, Slot
from PySide6.QtGui import QAction, QPainter
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget
from typing_extensions import override

from gui.export import Drawing
from gui.icons import IconName, icon
from gui.theme import BODY, DARK, SECONDARY, Role, Theme, ui_font


class PanelFrame(QDockWidget):
    """Copy and save are buttons of every panel; the rest is in the menu behind the three dots.

    Dragging the title line moves the panel, a double click on it floats it.
    """

    copyFigure = Signal()
    saveFigure = Signal()
    saveNumbers = Signal()
    showCode = Signal()

    def __init__(self, title: str, body: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self._theme = DARK
        self._role: Role = "none"
        self._head, self._content = QWidget(self), QWidget(self)
        self._icons: list[tuple[QToolButton, IconName]] = []
        self._dot = QLabel(self._head)
        self._title = QLabel(title, self._head)
        self._note = QLabel(self._head)
        self._note_text = ""
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._note.installEventFilter(self)
        self.body = body
        self._controls = QHBoxLayout()
        self._line = QHBoxLayout(self._head)
        for widget in (self._dot, self._title):
            self._line.addWidget(widget)
        self._line.addWidget(self._note, 1)
        self._line.addLayout(self._controls)
        self._column = QVBoxLayout(self._content)
        self._column.addWidget(body, 1)
        self.setTitleBarWidget(self._head)
        self.setWidget(self._content)
        self._copy = self._own_control("copy", "Copy this panel as a picture.", "Copy figure")
        self._copy.clicked.connect(self.copyFigure)
        self._save = self._own_control("save", "Save the numbers of this panel as a CSV file.", "Save numbers")
        self._save.clicked.connect(self.saveNumbers)
        self.more = self._own_menu()
        self.setAccessibleName(title)
        self.set_theme(DARK)

    # ------------------------------------------------------------ what is shown
    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._title.setFont(ui_font(theme.px(BODY), 600))
        self._note.setFont(ui_font(theme.px(SECONDARY)))
        self._note.setStyleSheet(f"color: {theme.subtle}")
        for button, name in self._icons:
            button.setIcon(icon(name, theme.subtle, theme.px(14)))
            button.setIconSize(QSize(theme.px(14), theme.px(14)))
        for at in range(self._controls.count()):
            item = self._controls.itemAt(at)
            widget = item.widget()
            if widget is not None:
                widget.setFont(ui_font(theme.px(SECONDARY)))
        margin = theme.px(12)
        self._line.setContentsMargins(margin, theme.px(8), margin, theme.px(6))
        self._column.setContentsMargins(margin, 0, margin, theme.px(8))
        self._line.setSpacing(theme.px(6))
        self._controls.setSpacing(theme.px(2))
        self.set_role(self._role)
        self._fit_note()

    def set_title(self, title: str, role: Role | None = None) -> None:
        """`role` puts a dot of its colour before the title; None leaves it as it is."""
        self._title.setText(title)
        self.setAccessibleName(title)
        if role is not None:
            self.set_role(role)

    def set_role(self, role: Role) -> None:
        """The dot before the title; "none" takes it away."""
        self._role = role
        size = self._theme.px(8)
        self._dot.setVisible(role != "none")
        self._dot.setFixedSize(size, size)
        self._dot.setStyleSheet(f"background: {self._theme.role(role)}; border-radius: {size // 2}px")

    def set_note(self, text: str, tip: str = "") -> None:
        """The quiet words at the right of the title: "random repeats, n = 400"."""
        self._note_text = text
        self._note.setToolTip(tip or text)
        self._fit_note()

    def _fit_note(self) -> None:
        metrics = self._note.fontMetrics()
        room = self._note.width()
        self._note.setText(metrics.elidedText(self._note_text, Qt.TextElideMode.ElideRight, room))

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The note gives way before the title and the controls do."""
        if watched is self._note and event.type() == QEvent.Type.Resize:
            self._fit_note()
        return False

    def add_control(self, control: QWidget) -> None:
        """A small control on the title line, left of those that every panel has."""
        self._controls.insertWidget(self._controls.count() - 3, control)
        control.setFont(ui_font(self._theme.px(SECONDARY)))

    def _own_control(self, name: IconName, tip: str, words: str) -> QToolButton:
        button = QToolButton(self._head)
        button.setToolTip(tip)
        button.setAccessibleName(words)
        button.setAutoRaise(True)
        button.setStyleSheet("QToolButton { padding: 2px; }")  # three of them on every title line
        self._icons.append((button, name))
        self._controls.addWidget(button)
        return button

    def _own_menu(self) -> QMenu:
        """Everything that can be done with any panel."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        entries: tuple[tuple[str, str, SignalInstance], ...] = (
            ("Copy figure", "Copies this panel as a picture.", self.copyFigure),
            ("Save figure…", "Saves this panel as PNG, SVG or PDF.", self.saveFigure),
            ("Save numbers…", "Saves the numbers of this panel as CSV or JSON.", self.saveNumbers),
            ("Show the code…", "The few lines of Python that give these numbers.", self.showCode),
        )
        for text, tip, signal in entries:
            self._entry(menu, text, tip).triggered.connect(signal)
        menu.addSeparator()
        self._entry(menu, "Float, or dock again", "A window of its own, and back.").triggered.connect(self._float)
        self._entry(menu, "Close panel", "View, Panels brings it back.").triggered.connect(self.close)
        button = self._own_control("more", "Save, show the code, float, close.", "More")
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        return menu

    def _entry(self, menu: QMenu, text: str, tip: str) -> QAction:
        action = QAction(text, menu)
        action.setToolTip(tip)
        menu.addAction(action)
        return action

    @Slot()
    def _float(self) -> None:
        self.setFloating(not self.isFloating())

    # ------------------------------------------------------------ figure
    def drawing(self) -> Drawing:
        """Title, note and body, without the controls."""
        size = QSize(self.width(), self._head.height() + self.body.geometry().bottom() + self._theme.px(8))
        return Drawing(size, self._theme.window, self._draw)

    def _draw(self, painter: QPainter) -> None:
        flags = QWidget.RenderFlag.DrawChildren
        for label in (self._dot, self._title, self._note):
            if not label.isHidden():
                label.render(painter, label.geometry().topLeft(), renderFlags=flags)
        place = self.body.geometry().topLeft() + QPoint(0, self._head.height())
        self.body.render(painter, place, renderFlags=flags)
