"""The window: where the panels stand, menus, toasts, and what is remembered. It knows the state, not the engine."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QVBoxLayout, QWidget
from typing_extensions import override

from engine.work.results import Failure
from gui.actions import Actions
from gui.command_list import all_commands
from gui.commands import MENUS, PANELS, CommandSet
from gui.dialogs import Dialogs
from gui.dock_host import DockHost
from gui.drops import DropZone
from gui.library import Library
from gui.live_training import LiveTraining
from gui.meddling.offer_menu import OfferMenu
from gui.meddling.stack_dialogs import StackDialogs
from gui.memory import MemoryBudget
from gui.menus import ChangingMenus
from gui.outlets import Outlets
from gui.panel import Panel
from gui.panels.attention_panel import AttentionPanel
from gui.panels.diagram_panel import DiagramPanel
from gui.panels.gallery_panel import GalleryPanel
from gui.panels.head_panel import HeadPanel
from gui.panels.heads_panel import HeadsPanel
from gui.panels.interventions_panel import InterventionsPanel
from gui.panels.live_panel import LivePanel
from gui.panels.logits_panel import LogitsPanel
from gui.panels.matrix_panel import MatrixPanel
from gui.panels.page_panel import PagePanel
from gui.panels.pair_panel import PairPanel
from gui.panels.prediction_panel import PredictionPanel
from gui.panels.prompt_panel import PromptPanel
from gui.panels.reader_panel import ReaderPanel
from gui.panels.roles_panel import RolesPanel
from gui.panels.sweep_panel import SweepPanel
from gui.panels.timeline_panel import TimelinePanel
from gui.panels.verdict_panel import VerdictPanel
from gui.panels.walk_panel import WalkPanel
from gui.scrubber import Scrubber
from gui.settings import Settings
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import BODY, ThemeManager, palette, style_sheet, ui_font
from gui.top_bar import TopBar
from gui.widgets.sentence_bar import SentenceBar
from gui.widgets.timeline_bar import TimelineBar
from gui.widgets.toast import ToastStack
from gui.wording import LEAD_ROLES
from gui.words.sentence import sentence_of
from gui.workspaces import WALK, WORKSPACES

TRY_REPEAT, HOW = "Try one that repeats", "How did it know?"


class MainWindow(QMainWindow):
    """Top line, prompt, the panels of one workspace, and one sentence."""

    def __init__(self, state: ExplorerState, themes: ThemeManager, settings: Settings) -> None:
        super().__init__()
        self.setWindowTitle("Headscope")
        self.state, self.themes, self._settings = state, themes, settings
        self.actions_of_state = Actions(state, self)
        self.toasts = ToastStack(self)
        self._make_panels()
        self._lay_out()
        self.memory = MemoryBudget(settings, self)
        self.library = Library(state, settings, self)
        actions = self.actions_of_state
        self.dialogs = Dialogs(state, actions, self.library, themes, self)
        self.offers, self.stacks = OfferMenu(state, actions, themes, self), StackDialogs(state, actions, themes, self)
        self.stacks.said.connect(self.say)
        commands = all_commands(
            self,
            self.dialogs,
            actions,
            self.outlets.window,
            themes,
            self.memory,
            self.library,
            self.offers,
            self.stacks,
        )
        self.commands = self.dialogs.commands = CommandSet(commands, self)
        self._make_menus()
        self._join_library()
        self._fill_title_lines()
        self.offers.serve((self.heads.view, self.head.view, self.diagram.view, self.matrix.view, self.prompt.strip))
        themes.changed.connect(self._apply_theme)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._apply_theme()
        self._tell()
        self._restore()
        self.prompt.edit.setFocus()

    # ------------------------------------------------------------ making
    def _make_panels(self) -> None:
        state, actions = self.state, self.actions_of_state
        self.top = TopBar(self)
        self.prompt = PromptPanel(state, actions)
        self.heads, self.roles, self.head = HeadsPanel(state), RolesPanel(state), HeadPanel(state, actions)
        self.prediction, self.interventions = PredictionPanel(state, actions), InterventionsPanel(state, actions)
        self.diagram, self.matrix, self.pair = DiagramPanel(state), MatrixPanel(state), PairPanel(state)
        self.page, self.attention = PagePanel(state), AttentionPanel(state)
        self.logits, self.sweep, self.walk = LogitsPanel(state), SweepPanel(state), WalkPanel(state, actions)
        self.verdict, self.gallery, self.reader = VerdictPanel(state), GalleryPanel(state), ReaderPanel(state)
        self.training, self._leaves = LiveTraining(self), False
        self.timeline, self.live = TimelinePanel(state), LivePanel(state, self.training)
        self.sentence = SentenceBar()
        self.checkpoints, self._scrubbed = TimelineBar(), ""
        self.scrubber = Scrubber(self.checkpoints, state)
        self.sentence.buttonClicked.connect(self._on_sentence_button)
        actions.said.connect(self.toasts.show_message)
        self.panels: dict[str, Panel] = {
            "heads": self.heads,
            "roles": self.roles,
            "head": self.head,
            "prediction": self.prediction,
            "interventions": self.interventions,
            "diagram": self.diagram,
            "matrix": self.matrix,
            "pair": self.pair,
            "page": self.page,
            "attention": self.attention,
            "logits": self.logits,
            "sweep": self.sweep,
            "walk": self.walk,
            "verdict": self.verdict,
            "gallery": self.gallery,
            "reader": self.reader,
            "timeline": self.timeline,
            "live": self.live,
        }
        self.outlets = Outlets(self, self.prompt, self.panels, state, self.themes, self.say)

    @property
    def views(self) -> dict[str, QWidget]:
        """What can be drawn by itself, by name."""
        return {"window": self, "tokens": self.prompt.strip, **self.panels}

    def _lay_out(self) -> None:
        body, self._rule = QWidget(), QWidget()
        self.docks = DockHost(self.panels, body)
        self.docks.inSight.connect(self._note_panels)
        self._rule.setFixedHeight(1)
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.top, self.prompt, self._rule, self.docks, self.checkpoints, self.sentence):
            column.addWidget(widget, 1 if widget is self.docks else 0)
        self.setCentralWidget(body)
        self.resize(QSize(1440, 900).boundedTo(self.screen().availableSize()))  # laptops have less

    def _make_menus(self) -> None:
        action = self.commands.action
        more = [action("model.library"), action("model.open"), action("model.folder"), action("smollm2.get")]
        self.menus = ChangingMenus(self.state, self.actions_of_state, self.library, more, self)
        self.sort_menu = QMenu(self)
        self.sort_menu.addActions([action("sort.layer"), action("sort.induction"), action("sort.previous")])
        for title in MENUS:
            menu = self.top.menus.addMenu(f"&{title}")
            menu.setToolTipsVisible(True)
            if title == "Prompt":
                menu.addMenu(self.menus.samples)
            if title == "Model":
                menu.addMenu(self.menus.open)
            self.commands.fill(menu, title)
            if title == "View":
                self.commands.fill(menu.addMenu(PANELS), PANELS)
        self.addActions(self.commands.actions)

    def _join_library(self) -> None:
        """Models come by menu, sheet and drop, and what is under way with them can be stopped."""
        self.drops = DropZone(self)
        self.drops.dropped.connect(self.library.open)
        for refused in (self.drops.refused, self.dialogs.refused):
            refused.connect(self.toasts.show_message)
        self.library.failed.connect(self.report)
        self.library.said.connect(self.toasts.show_message)
        self.library.changed.connect(self._on_library)
        self.library.went_on.connect(self._show_status)
        self.top.stopped.connect(self.library.stop)

    def _fill_title_lines(self) -> None:
        action = self.commands.action
        self.top.add_workspaces([action(f"workspace.{name}") for name in WORKSPACES])
        self.top.add_buttons(self.menus.models, [action("look.switch"), action("help.keys")])
        self.prompt.add_controls(
            self.menus.samples, [action("repeat.random"), action("prompt.compare"), action("repeat.bos")]
        )
        self.heads.add_controls(self.sort_menu, [action("picture.first"), action("picture.stripe")])
        self.head.add_controls([action("picture.raw"), action("picture.paint")])
        self.interventions.add_controls(
            [action("stack.difference"), action("stack.complement")],
            [action(name) for name in ("stack.type", "stack.open", "stack.save", "remove.restore")],
        )

    # ------------------------------------------------------------ following the state
    @Slot(frozenset)
    def _note_panels(self, panels: frozenset[str]) -> None:
        self.state.select(panels=panels)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "workspace"):
            self.docks.show_workspace(new.workspace)
        self.commands.refresh()
        self._show_status()
        self._tell()

    @Slot()
    def _on_library(self) -> None:
        self.commands.refresh()
        self._show_status()

    @Slot()
    def _show_status(self) -> None:
        self.top.set_status(self.library.activity or self.state.findings.status, self.library.can_stop())

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "model"):
            self.top.set_model(new.model)
        if changed(new, old, "status"):
            self._show_status()
        self.commands.refresh()
        self._tell()

    def _tell(self) -> None:
        found = self.state.findings
        runs = (found.behaviour, found.analysis, found.baseline)
        sentence = sentence_of(*runs, found.model is None, self.state.selection.prompt, found.problem)
        asks = sentence.kind in ("repeats", "other") and self.state.selection.workspace != WALK.name
        button = TRY_REPEAT if sentence.offers_prompt else HOW if asks else ""
        self.sentence.set_sentence(sentence.text, sentence.lead, LEAD_ROLES[sentence.kind], sentence.detail, button)
        self.setWindowTitle(f"Headscope · {found.model.title}" if found.model is not None else "Headscope")
        self._show_checkpoints()

    def _show_checkpoints(self) -> None:
        """The slider goes along into every workspace once it was used, where the training is not in sight itself."""
        model = self.state.findings.model
        if model is not None and model.step is not None:
            self._scrubbed = model.run
        elsewhere = self.state.selection.panels.isdisjoint(("timeline", "live"))
        self.checkpoints.setVisible(elsewhere and model is not None and model.run == self._scrubbed)

    # ------------------------------------------------------------ what the user may ask of the window
    @Slot()
    def focus_prompt(self) -> None:
        self.prompt.edit.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.prompt.edit.selectAll()

    @Slot()
    def _on_sentence_button(self) -> None:
        """A prompt with something to copy, or the walk through what was copied."""
        if self.sentence.button() == HOW:
            self.state.select(workspace=WALK.name, walk_step="")
        else:
            self.actions_of_state.first_sample()

    @Slot()
    def let_go(self) -> None:
        if not self.state.let_go():
            self.toasts.dismiss_newest()
            self.heads.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot()
    def rearrange(self) -> None:
        self.docks.rearrange()

    @Slot()
    def toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    # ------------------------------------------------------------ messages
    def say(self, title: str, hint: str, bad: bool) -> None:
        """One line that goes by itself."""
        self.toasts.show_message(title, hint, role="negative" if bad else "accent")

    @Slot(object)
    def report(self, failure: Failure) -> None:
        """Something went wrong; the application goes on."""
        self.toasts.show_message(failure.title, failure.hint, failure.detail, role="negative")

    # ------------------------------------------------------------ look
    @Slot()
    def _apply_theme(self) -> None:
        theme = self.themes.theme
        QApplication.setFont(ui_font(theme.px(BODY)))
        QApplication.setPalette(palette(theme))
        self.setStyleSheet(style_sheet(theme, theme.scale))
        self._rule.setStyleSheet(f"background: {theme.hairline}")
        self.top.set_theme(theme)
        self.sentence.set_theme(theme)
        self.checkpoints.set_theme(theme)
        self.checkpoints.setContentsMargins(theme.px(14), theme.px(2), theme.px(14), theme.px(2))
        self.toasts.set_theme(theme)
        self.drops.set_theme(theme)
        self.prompt.apply_theme(theme)
        for panel in self.panels.values():
            panel.apply_theme(theme)

    # ------------------------------------------------------------ memory
    def _restore(self) -> None:
        self.restoreGeometry(self._settings.geometry)
        self.docks.remember({name: self._settings.arrangement(name) for name in WORKSPACES})
        remembered = self._settings.workspace
        self.state.select(workspace=remembered if remembered in WORKSPACES else "explore")
        self.docks.show_workspace(self.state.selection.workspace)

    def remember(self) -> None:
        """Write down prompt, look and layout."""
        shown = self.state.selection
        self._settings.remember_prompt(shown.model, shown.prompt.text)
        self._settings.remember_look(self.themes.choice, self.themes.scale)
        self._settings.remember_window(self.saveGeometry(), shown.workspace, self.docks.arrangements())
        self._settings.sync()

    @override
    def closeEvent(self, event: QCloseEvent) -> None:
        """A run that is under way is asked about first; it is put down either way and nothing of it is lost."""
        if self.training.running and not self._leaves:
            event.ignore()
            self.dialogs.ask_leave(self.training, self._leave)
            return
        self.remember()
        self.library.close()
        self.training.shutdown()
        super().closeEvent(event)

    @Slot()
    def _leave(self) -> None:
        self._leaves = True
        self.close()
