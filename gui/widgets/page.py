"""A page of headings, sentences, bars and small pictures that scrolls where there is no room for all of it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget
from typing_extensions import override

from gui.theme import BODY, DARK, SECONDARY, Theme, ui_font
from gui.widgets.bar_list import BarList
from gui.widgets.grid_view import GridView
from gui.widgets.plane_view import PlaneView


class Page(QScrollArea):
    """Parts stand in the order in which they are made."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._headings: list[QLabel] = []
        self._sentences: list[tuple[QLabel, bool]] = []
        self._pictures: list[BarList | GridView | PlaneView] = []
        self._column_widget = QWidget()
        self._column = QVBoxLayout(self._column_widget)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addStretch(1)
        self.setWidget(self._column_widget)
        self.setWidgetResizable(True)
        self._column_widget.installEventFilter(self)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(name)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for heading in self._headings:
            heading.setFont(ui_font(theme.px(SECONDARY), 600))
            heading.setStyleSheet(f"color: {theme.subtle}; padding-top: {theme.px(6)}px")
        for label, strong in self._sentences:
            label.setFont(ui_font(theme.px(BODY if strong else SECONDARY)))
            label.setStyleSheet(f"color: {theme.text if strong else theme.subtle}")
        for picture in self._pictures:
            picture.set_theme(theme)
        self._column.setSpacing(theme.px(4))

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The page is as high as its words need at this width, or its parts would lie on one another."""
        if watched is self._column_widget and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            needed = self._column.totalHeightForWidth(self._column_widget.width())
            self._column_widget.setMinimumHeight(max(0, needed))
        return False

    def add(self, widget: QWidget, side: Qt.AlignmentFlag = Qt.AlignmentFlag(0)) -> None:  # noqa: B008  (a plain number)
        """Any other part, such as a row of fields; `side` leaves it as wide as it wants to be."""
        self._column.insertWidget(self._column.count() - 1, widget, 0, side)

    def heading(self, text: str) -> QLabel:
        label = QLabel(text)
        label.setWordWrap(True)
        label.setIndent(0)
        self._headings.append(label)
        self.add(label)
        return label

    def sentence(self, strong: bool = False) -> QLabel:
        """Words that wrap; quiet ones unless `strong`."""
        label = QLabel()
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._sentences.append((label, strong))
        self.add(label)
        return label

    def bars(self, name: str) -> BarList:
        bars = BarList()
        bars.setAccessibleName(name)
        self._pictures.append(bars)
        self.add(bars)
        return bars

    def grid(self, name: str) -> GridView:
        grid = GridView(name)
        self._pictures.append(grid)
        self.add(grid)
        return grid

    def plane(self, name: str) -> PlaneView:
        plane = PlaneView(name)
        self._pictures.append(plane)
        self.add(plane)
        return plane
