"""The text beside the app: its ideas in short paragraphs, each with a link to where it can be seen."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QWidget
from typing_extensions import override

from engine.work.requests import Prompt
from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState
from gui.theme import SECONDARY, Theme, ui_font
from gui.widgets.page import Page
from gui.words.reader import PARAGRAPHS, Link


class ReaderPanel(Panel):
    """Up and Down go from paragraph to paragraph, Enter follows its link."""

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("The text beside the app")
        super().__init__("The ideas, one by one", self.page, parent)
        self._state = state
        self.links: list[QPushButton] = []
        for number, paragraph in enumerate(PARAGRAPHS, 1):
            self.page.heading(f"{number} · {paragraph.title}")
            self.page.sentence(strong=True).setText(paragraph.text)
            if paragraph.says:
                departure = f"The text says: {paragraph.says}.\nMeasured here: {paragraph.measured}"
                self.page.sentence().setText(departure)
            button = QPushButton(f"{paragraph.link.words} ›")
            button.clicked.connect(self._follow)
            self.links.append(button)
            self.page.add(button, Qt.AlignmentFlag.AlignLeft)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)
        for button in self.links:
            button.setFont(ui_font(theme.px(SECONDARY)))

    @override
    def numbers(self) -> Table:
        """Every paragraph and departure."""
        rows = [(one.title, one.text, one.says, one.measured) for one in PARAGRAPHS]
        return Table("the ideas", ("title", "text", "the text says", "measured here"), rows)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
        if not step:
            super().keyPressEvent(event)
            return
        focused = next((n for n, button in enumerate(self.links) if button.hasFocus()), -1 if step > 0 else 0)
        button = self.links[min(max(focused + step, 0), len(self.links) - 1)]
        button.setFocus(Qt.FocusReason.TabFocusReason)
        self.page.ensureWidgetVisible(button)

    @Slot()
    def _follow(self) -> None:
        sender: QObject | None = self.sender()
        if isinstance(sender, QPushButton):
            self.go(PARAGRAPHS[self.links.index(sender)].link)

    def go(self, link: Link) -> None:
        """Where the link leads: model, prompt, workspace, and what is shown there; what it does not name stays."""
        if link.model and link.model != self._state.selection.model:
            self._state.select(model=link.model)
        changes: dict[str, object] = {}
        if link.prompt:
            changes |= {"prompt": Prompt(link.prompt), "token": None, "source": None}
        if link.workspace:
            changes["workspace"] = link.workspace
        if link.step:
            changes["walk_step"] = link.step
        if link.experiment:
            changes |= {"experiment": link.experiment, "guess": None}
        self._state.select(**changes)
