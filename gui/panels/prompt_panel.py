"""The prompt: where it is typed, what it became as tokens, and in one line what stands there."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from engine.work.requests import Prompt
from engine.work.results import Comparison
from gui.actions import Actions
from gui.export import Table
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import SECONDARY, Theme, ui_font
from gui.widgets.breadcrumbs import Breadcrumbs
from gui.widgets.prompt_edit import PromptEdit
from gui.widgets.token_strip import TokenStrip
from gui.wording import prompt_note
from gui.words.comparison import PROMPTS, comparison_note, sides_of
from gui.words.crumbs import crumbs_of

PLACEHOLDER = "Type a text in which something repeats"


class PromptPanel(QWidget):
    """Prompt entry, token strip and the line below; runs across the window."""

    def __init__(self, state: ExplorerState, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state, self._actions = state, actions
        self.edit, self.strip = PromptEdit(self), TokenStrip(self)
        self.other, self.other_strip = PromptEdit(self), TokenStrip(self)
        self.other.setToolTip("Another prompt to compare with; panels show A minus B.")
        self.other.setAccessibleName("Prompt B")
        self.other_strip.setAccessibleName("Tokens of prompt B")
        self._letters = [QLabel("A", self), QLabel("B", self)]
        self.edit.setToolTip("What the model reads; everything below follows the typing.")
        self._note = QLabel(self)
        self._note.setWordWrap(False)
        self._note.setMinimumWidth(1)  # it gives way to what is pinned
        self.crumbs = Breadcrumbs(self)
        self._buttons: list[QToolButton] = []
        self._marks: tuple[int | None, ...] | None = None
        self._row = QHBoxLayout()
        self._row.addWidget(self.edit, 1)
        self._row.insertWidget(0, self._letters[0])
        self._other_row = QHBoxLayout()
        self._other_row.addWidget(self._letters[1])
        self._other_row.addWidget(self.other, 1)
        self._column = QVBoxLayout(self)
        self._column.addLayout(self._row)
        self._column.addWidget(self.strip)
        self._column.addLayout(self._other_row)
        self._column.addWidget(self.other_strip)
        self._note_row = QHBoxLayout()
        self._note_row.addWidget(self._note, 1)
        self._note_row.addWidget(self.crumbs)
        self._column.addLayout(self._note_row)
        self._show_other(None)
        self._connect()

    def _connect(self) -> None:
        self.edit.promptChanged.connect(self._actions.type_prompt)
        self.other.promptChanged.connect(self._actions.type_other)
        self.edit.acceptPrediction.connect(self._actions.accept_prediction)
        for edit in (self.edit, self.other):
            edit.pasteCut.connect(self._tell_cut)
            edit.pasteCleaned.connect(self._tell_cleaned)
        self.crumbs.clicked.connect(self._go_back_to)
        self.strip.hovered.connect(self._point)
        self.strip.clicked.connect(self._state.toggle_token)
        self.strip.predictionAccepted.connect(self._actions.accept_prediction)
        self._state.selected.connect(self._on_selected)
        self._state.found.connect(self._on_found)
        self._state.hovered.connect(self._on_hovered)

    def add_controls(self, samples: QMenu, actions: Sequence[QAction]) -> None:
        """The buttons right of the entry: a menu of samples, then one for each action."""
        menu_button = QToolButton(self)
        menu_button.setText("Samples ▾")
        menu_button.setToolTip("Prompts that come with this model, each worth trying for a reason.")
        menu_button.setMenu(samples)
        menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._buttons = [menu_button]
        for action in actions:
            button = QToolButton(self)
            button.setDefaultAction(action)
            self._buttons.append(button)
        for button in self._buttons:
            self._row.addWidget(button)

    def apply_theme(self, theme: Theme) -> None:
        for widget in (self.edit, self.strip, self.other, self.other_strip, self.crumbs):
            widget.set_theme(theme)
        for letter in self._letters:
            letter.setFont(ui_font(theme.px(SECONDARY), 650))
            letter.setStyleSheet(f"color: {theme.subtle}")
            letter.setFixedWidth(theme.px(12))
        self._note.setFont(ui_font(theme.px(SECONDARY)))
        self._note.setStyleSheet(f"color: {theme.subtle}")
        for button in self._buttons:
            button.setFont(ui_font(theme.px(SECONDARY)))
        self._column.setContentsMargins(theme.px(14), theme.px(8), theme.px(14), theme.px(8))
        self._column.setSpacing(theme.px(6))

    def note(self) -> str:
        """The line under the chips."""
        return self._note.text()

    def numbers(self) -> Table:
        """Every token with its surprise."""
        header = ("position", "id", "token", "loss (nats)")
        analysis = self._state.findings.analysis
        if analysis is None:
            return Table("tokens", header, [])
        losses = [None if loss != loss else float(loss) for loss in analysis.losses]
        rows = [
            (token.position, token.id, token.text, loss) for token, loss in zip(analysis.tokens, losses, strict=True)
        ]
        return Table("tokens", header, rows)

    @Slot(object)
    def _point(self, token: int | None) -> None:
        self._state.point(Hover(token=token))

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "prompt"):
            self._show_prompt(new.prompt)
        if changed(new, old, "other"):
            self._show_other(new.other)
        self._mark()
        self._describe()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "analysis") and new.analysis is not None:
            self.strip.set_tokens(new.analysis.tokens, new.analysis.losses)
            self._marks = None
            self._follow_typing()
        if changed(new, old, "analysis", "baseline"):
            self._show_prediction(new)
        if changed(new, old, "analysis", "comparison"):
            self._show_comparison(new.fitting_comparison)
        if changed(new, old, "analysis", "behaviour", "scores"):
            self._mark()
        self._describe()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        self._mark()
        self.strip.set_hovered(new.token)

    def _show_prompt(self, prompt: Prompt) -> None:
        shown = self.edit.prompt()
        if prompt.repeat is not None:
            length, seed = prompt.repeat.length, prompt.repeat.seed
            self.edit.setPlaceholderText(f"{length} random tokens, twice (seed {seed}): type to write your own")
        else:
            self.edit.setPlaceholderText(PLACEHOLDER)
        if shown and prompt.text.startswith(shown):
            self.edit.append(prompt.text[len(shown) :])
        elif shown != prompt.text:
            self.edit.set_prompt(prompt.text)

    def _show_other(self, text: str | None) -> None:
        """The line and the tokens of prompt B, while there is one."""
        for widget in (*self._letters, self.other, self.other_strip):
            widget.setVisible(text is not None)
        if text is None:
            self.other_strip.set_tokens((), None)
        elif text != self.other.prompt():
            self.other.set_prompt(text)

    def _show_comparison(self, compared: Comparison | None) -> None:
        if compared is None or sides_of(compared) is not PROMPTS:
            self.strip.set_apart(frozenset())
            return
        first, second = compared.first.tokens, compared.second.tokens
        alike = [(a, b) for a, b in compared.aligned if first[a].id == second[b].id]
        self.other_strip.set_tokens(second, compared.second.losses)
        self.strip.set_apart(frozenset(range(len(first))) - {a for a, _ in alike})
        self.other_strip.set_apart(frozenset(range(len(second))) - {b for _, b in alike})

    def _show_prediction(self, found: Findings) -> None:
        analysis = found.analysis
        best = analysis.predictions[0] if analysis is not None and analysis.predictions else None
        copied = analysis is not None and best is not None and best.id in {g.id for g in analysis.matcher}
        shown = best if self._actions.can_accept() else None
        self.strip.set_prediction(shown, copied)

    def _follow_typing(self) -> None:
        """Keep the end of a long prompt in sight, unless a token further up is pinned."""
        if self._state.selection.token is None:
            bar = self.strip.verticalScrollBar()
            bar.setValue(bar.maximum())

    def _mark(self) -> None:
        focus, pinned = self._state.focus, self._state.selection.token
        marks = (focus.destination, focus.source, focus.before, pinned)
        if marks != self._marks:  # each call repaints every chip
            self._marks = marks
            self.strip.set_marks(*marks[:3])
            self.strip.set_pinned(pinned)

    @Slot(int)
    def _go_back_to(self, place: int) -> None:
        self._state.select(**crumbs_of(self._state)[place].changes)

    def _describe(self) -> None:
        self.crumbs.set_crumbs([(crumb.text, crumb.tip) for crumb in crumbs_of(self._state)])
        found = self._state.findings
        note = prompt_note(self._state.selection.prompt, found.analysis, found.problem)
        compared = found.fitting_comparison
        prompts = compared if compared is not None and sides_of(compared) is PROMPTS else None
        if self._state.selection.other is not None and not self._state.shows_difference and found.problem is None:
            note = comparison_note(prompts, found.other_problem)
        self._note.setText(note)
        self._note.setToolTip(self._note.text())

    @Slot(int)
    def _tell_cut(self, count: int) -> None:
        self._actions.said.emit("The text was too long to read", f"Its first {count:,} characters were left out.")

    @Slot(int)
    def _tell_cleaned(self, count: int) -> None:
        self._actions.said.emit("Control characters were taken out", f"{count:,} of what was pasted show nothing.")
