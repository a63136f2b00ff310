"""Everything that can be done in the window, in one list: text, key, one sentence, and what runs."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from gui.actions import Actions
from gui.commands import PANELS, Command
from gui.dock_host import DockHost
from gui.exporter import Exporter
from gui.library import Library
from gui.meddling.commands import intervention_commands
from gui.meddling.offer_menu import OfferMenu
from gui.meddling.stack_dialogs import StackDialogs
from gui.memory import MemoryBudget
from gui.model_commands import ModelDialogs, memory_commands, model_commands
from gui.panel import Panel
from gui.theme import ThemeManager
from gui.workspaces import WORKSPACES


class WindowDoings(Protocol):
    """What the window itself must do."""

    docks: DockHost
    panels: dict[str, Panel]

    def close(self) -> bool: ...

    def focus_prompt(self) -> None: ...

    def let_go(self) -> None: ...

    def rearrange(self) -> None: ...

    def toggle_full_screen(self) -> None: ...

    def isFullScreen(self) -> bool: ...


class WindowDialogs(ModelDialogs, Protocol):
    """What opens over the window."""

    def ask_repeat(self) -> None: ...

    def show_palette(self) -> None: ...

    def show_shortcuts(self) -> None: ...

    def show_about(self) -> None: ...


def file_commands(window: WindowDoings, exporter: Exporter) -> list[Command]:
    return [
        Command(
            "figure.copy",
            "File",
            "Copy figure",
            exporter.copy_figure,
            "Copies the window as a picture.",
            ("Ctrl+Shift+C",),
        ),
        Command(
            "figure.save",
            "File",
            "Save figure…",
            exporter.ask_figure,
            "Saves the window as a PNG or SVG file.",
            ("Ctrl+S",),
        ),
        Command(
            "figure.numbers",
            "File",
            "Save numbers…",
            exporter.ask_numbers,
            "Saves the numbers of every panel as one CSV file.",
            ("Ctrl+Shift+S",),
        ),
        Command(
            "quit", "File", "Quit", window.close, "Closes the window; prompt and layout are remembered.", ("Ctrl+Q",)
        ),
    ]


def prompt_commands(window: WindowDoings, dialogs: WindowDialogs, actions: Actions) -> list[Command]:
    return [
        Command(
            "prompt.focus",
            "Prompt",
            "Type a prompt",
            window.focus_prompt,
            "Puts the cursor into the prompt.",
            ("Ctrl+L",),
        ),
        Command(
            "prompt.accept",
            "Prompt",
            "Accept the prediction",
            actions.accept_prediction,
            "Writes the best guess at the end of the prompt; in the prompt, Tab does the same.",
            ("Ctrl+Return",),
            enabled=actions.can_accept,
        ),
        Command(
            "repeat.random",
            "Prompt",
            "Random repeat…",
            dialogs.ask_repeat,
            "Random tokens twice: the standard test for induction, as nothing but the repeat can help.",
            ("Ctrl+R",),
        ),
        Command(
            "repeat.bos",
            "Prompt",
            "⟨bos⟩ first",
            actions.toggle_bos,
            "Begins the prompt with ⟨bos⟩, where heads that find nothing rest; grey where a model has no such token.",
            ("Ctrl+B",),
            checked=actions.bos_is_on,
            enabled=actions.has_bos,
            short="⟨bos⟩",
        ),
        Command(
            "prompt.compare",
            "Prompt",
            "Compare with another prompt",
            actions.toggle_comparison,
            "Puts a second prompt beside the first; every panel then shows the difference.",
            ("Ctrl+K",),
            checked=actions.is_comparing,
            enabled=actions.can_compare,
            short="A | B",
        ),
    ]


def history_commands(actions: Actions, window: WindowDoings) -> list[Command]:
    return [
        Command(
            "undo.undo",
            "Intervene",
            "Undo",
            actions.undo,
            "Goes back one pin or intervention.",
            ("Ctrl+Z",),
            enabled=actions.can_undo,
        ),
        Command(
            "undo.redo",
            "Intervene",
            "Redo",
            actions.redo,
            "Goes forward again.",
            ("Ctrl+Shift+Z", "Ctrl+Y"),
            enabled=actions.can_redo,
        ),
        Command(
            "go.let",
            "Intervene",
            "Let go",
            window.let_go,
            "Lets go of the preview, then of the token, then of the head.",
            ("Esc",),
        ),
    ]


def view_commands(actions: Actions, window: WindowDoings, themes: ThemeManager) -> list[Command]:
    return [
        *_workspace_commands(actions, window),
        *_picture_commands(actions),
        *_order_commands(actions),
        *_look_commands(window, themes),
    ]


def _workspace_commands(actions: Actions, window: WindowDoings) -> list[Command]:
    shown = [
        Command(
            f"workspace.{workspace.name}",
            "View",
            workspace.title,
            actions.show_workspace(workspace.name),
            workspace.tip,
            (f"Ctrl+{number}",),
            checked=actions.is_workspace(workspace.name),
            group="workspace",
        )
        for number, workspace in enumerate(WORKSPACES.values(), 1)
    ]
    again = Command(
        "panels.rearrange",
        "View",
        "Panels as they were",
        window.rearrange,
        "Puts the panels of this workspace back where they stood at first.",
    )
    return [*shown, again, *_panel_commands(actions, window)]


def _panel_commands(actions: Actions, window: WindowDoings) -> list[Command]:
    """A switch for each panel, in a menu of its own."""
    return [
        Command(
            f"panel.{name}",
            PANELS,
            dock.windowTitle(),
            partial(window.docks.toggle, name),
            f"Opens or closes the panel “{dock.windowTitle()}”.",
            checked=actions.is_in_sight(name),
        )
        for name, dock in window.panels.items()
    ]


def _picture_commands(actions: Actions) -> list[Command]:
    return [
        Command(
            "picture.first",
            "View",
            "Hide ⟨bos⟩ column",
            actions.toggle_first,
            "Leaves out attention to the first token, where heads rest, so that the rest is easier to see.",
            ("Ctrl+Shift+B",),
            checked=actions.hides_first,
            short="Hide ⟨bos⟩",
        ),
        Command(
            "picture.stripe",
            "View",
            "Expected stripe",
            actions.toggle_stripe,
            "Outlines the cells where a perfect induction head would look on this prompt.",
            ("Ctrl+E",),
            checked=actions.shows_stripe,
            short="Stripe",
        ),
        Command(
            "picture.raw",
            "View",
            "Raw scores",
            actions.toggle_raw_scores,
            "Shows the scores q·k/√d before the softmax instead of the attention that it makes of them.",
            ("Ctrl+Shift+R",),
            checked=actions.shows_raw_scores,
            short="Raw",
        ),
    ]


def _order_commands(actions: Actions) -> list[Command]:
    orders = (
        ("layer", "Sort heads by layer", actions.sort_by_layer, "Layer 0 at the bottom: information flows up."),
        ("induction", "Sort heads by induction", actions.sort_by_induction, "The best matching head comes first."),
        ("previous", "Sort heads by previous token", actions.sort_by_previous, "The best previous-token head first."),
    )
    return [
        Command(f"sort.{name}", "View", text, run, tip, checked=actions.is_sorted_by(name), group="sort")
        for name, text, run, tip in orders
    ]


def _look_commands(window: WindowDoings, themes: ThemeManager) -> list[Command]:
    return [
        Command(
            "look.dark",
            "View",
            "Dark",
            lambda: themes.set_choice("dark"),
            "Dark colours.",
            checked=lambda: themes.choice == "dark",
            group="look",
        ),
        Command(
            "look.light",
            "View",
            "Light",
            lambda: themes.set_choice("light"),
            "Light colours.",
            checked=lambda: themes.choice == "light",
            group="look",
        ),
        Command(
            "look.system",
            "View",
            "As the system",
            lambda: themes.set_choice("system"),
            "Dark or light, whichever the system shows.",
            checked=lambda: themes.choice == "system",
            group="look",
        ),
        Command(
            "look.switch",
            "View",
            "Switch dark and light",
            lambda: themes.set_choice("light" if themes.theme.is_dark else "dark"),
            "Dark to light, or light to dark.",
            ("Ctrl+D",),
            short="◐",
        ),
        Command("size.up", "View", "Larger", themes.enlarge, "Enlarges everything.", ("Ctrl++", "Ctrl+=")),
        Command("size.down", "View", "Smaller", themes.reduce, "Makes everything smaller.", ("Ctrl+-",)),
        Command("size.reset", "View", "Usual size", lambda: themes.set_scale(1.0), "Back to 100 %.", ("Ctrl+0",)),
        Command(
            "size.full",
            "View",
            "Full screen",
            window.toggle_full_screen,
            "The whole screen, without a frame.",
            ("F11",),
            checked=window.isFullScreen,
        ),
    ]


def help_commands(dialogs: WindowDialogs) -> list[Command]:
    return [
        Command(
            "help.palette",
            "Help",
            "Find anything…",
            dialogs.show_palette,
            "A command, a head (1.4), heads by a score (induction > 0.4) or by composition (composes with 0.3).",
            ("Ctrl+P",),
        ),
        Command(
            "help.keys",
            "Help",
            "Keys and pointing",
            dialogs.show_shortcuts,
            "Everything that can be done, and its key.",
            ("F1",),
            short="Keys",
        ),
        Command("help.about", "Help", "About Headscope", dialogs.show_about, "What it is made of, and the licences."),
    ]


def all_commands(
    window: WindowDoings,
    dialogs: WindowDialogs,
    actions: Actions,
    exporter: Exporter,
    themes: ThemeManager,
    memory: MemoryBudget,
    library: Library,
    menu: OfferMenu,
    stacks: StackDialogs,
) -> tuple[Command, ...]:
    """The whole list, menu by menu."""
    return (
        *file_commands(window, exporter),
        *prompt_commands(window, dialogs, actions),
        *model_commands(dialogs, library),
        *memory_commands(memory),
        *intervention_commands(actions, menu, stacks),
        *history_commands(actions, window),
        *view_commands(actions, window, themes),
        *help_commands(dialogs),
    )
