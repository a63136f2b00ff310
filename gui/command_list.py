"""Everything that can be done in the window, in one list: text, key, one sentence, and what runs."""

from __future__ import annotations

from typing import Protocol

from gui.actions import Actions
from gui.commands import Command
from gui.exporter import Exporter
from gui.memory import CHOICES, MemoryBudget
from gui.theme import ThemeManager


class WindowDoings(Protocol):
    """What the window itself must do."""

    def close(self) -> bool: ...

    def open_model_file(self) -> None: ...

    def focus_prompt(self) -> None: ...

    def ask_repeat(self) -> None: ...

    def let_go(self) -> None: ...

    def switch_look(self) -> None: ...

    def look_dark(self) -> None: ...

    def look_light(self) -> None: ...

    def look_as_system(self) -> None: ...

    def toggle_full_screen(self) -> None: ...

    def reset_scale(self) -> None: ...

    def show_shortcuts(self) -> None: ...

    def show_about(self) -> None: ...

    def isFullScreen(self) -> bool: ...


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


def prompt_commands(window: WindowDoings, actions: Actions) -> list[Command]:
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
            window.ask_repeat,
            "Random tokens twice: the standard test for induction, as nothing but the repeat can help.",
            ("Ctrl+R",),
        ),
        Command(
            "repeat.bos",
            "Prompt",
            "⟨bos⟩ first",
            actions.toggle_bos,
            "Begins the prompt with ⟨bos⟩, where heads that find nothing rest their attention.",
            ("Ctrl+B",),
            checked=actions.bos_is_on,
            short="⟨bos⟩",
        ),
    ]


def model_commands(window: WindowDoings) -> list[Command]:
    return [
        Command(
            "model.open",
            "Model",
            "Open a model file…",
            window.open_model_file,
            "Opens a model from a safetensors file; the present one stays until it is ready.",
            ("Ctrl+O",),
        ),
    ]


def memory_commands(memory: MemoryBudget) -> list[Command]:
    tip = "How much memory one computation may take; what needs more works in portions, or says so."
    return [
        Command(
            f"memory.{megabytes}",
            "Model",
            f"Memory budget {megabytes:,} MB",
            memory.choose(megabytes),
            tip,
            checked=memory.is_chosen(megabytes),
            group="memory",
        )
        for megabytes in CHOICES
    ]


def head_commands(actions: Actions, window: WindowDoings) -> list[Command]:
    return [
        Command(
            "remove.pinned",
            "Head",
            "Remove the pinned head, or put it back",
            actions.toggle_removal,
            "Takes the ringed head out of the model and shows the prediction before and after.",
            ("R",),
        ),
        Command(
            "remove.restore",
            "Head",
            "Put every head back",
            actions.restore_all,
            "Ends all removals.",
            ("Shift+R",),
            enabled=actions.has_removals,
        ),
        Command(
            "undo.undo",
            "Head",
            "Undo",
            actions.undo,
            "Goes back one pin or removal.",
            ("Ctrl+Z",),
            enabled=actions.can_undo,
        ),
        Command(
            "undo.redo",
            "Head",
            "Redo",
            actions.redo,
            "Goes forward again.",
            ("Ctrl+Shift+Z", "Ctrl+Y"),
            enabled=actions.can_redo,
        ),
        Command(
            "go.let",
            "Head",
            "Let go",
            window.let_go,
            "Lets go of the preview, then of the token, then of the head.",
            ("Esc",),
        ),
    ]


def view_commands(actions: Actions, window: WindowDoings, themes: ThemeManager) -> list[Command]:
    return [
        *_picture_commands(actions),
        *_order_commands(actions),
        *_look_commands(window, themes),
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
            window.look_dark,
            "Dark colours.",
            checked=lambda: themes.choice == "dark",
            group="look",
        ),
        Command(
            "look.light",
            "View",
            "Light",
            window.look_light,
            "Light colours.",
            checked=lambda: themes.choice == "light",
            group="look",
        ),
        Command(
            "look.system",
            "View",
            "As the system",
            window.look_as_system,
            "Dark or light, whichever the system shows.",
            checked=lambda: themes.choice == "system",
            group="look",
        ),
        Command(
            "look.switch",
            "View",
            "Switch dark and light",
            window.switch_look,
            "Dark to light, or light to dark.",
            ("Ctrl+D",),
            short="◐",
        ),
        Command("size.up", "View", "Larger", themes.enlarge, "Enlarges everything.", ("Ctrl++", "Ctrl+=")),
        Command("size.down", "View", "Smaller", themes.reduce, "Makes everything smaller.", ("Ctrl+-",)),
        Command("size.reset", "View", "Usual size", window.reset_scale, "Back to 100 %.", ("Ctrl+0",)),
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


def help_commands(window: WindowDoings) -> list[Command]:
    return [
        Command(
            "help.keys",
            "Help",
            "Keys and pointing",
            window.show_shortcuts,
            "Everything that can be done, and its key.",
            ("F1",),
            short="Keys",
        ),
        Command("help.about", "Help", "About Headscope", window.show_about, "What it is made of, and the licences."),
    ]


def all_commands(
    window: WindowDoings, actions: Actions, exporter: Exporter, themes: ThemeManager, memory: MemoryBudget
) -> tuple[Command, ...]:
    """The whole list, menu by menu."""
    return (
        *file_commands(window, exporter),
        *prompt_commands(window, actions),
        *model_commands(window),
        *memory_commands(memory),
        *head_commands(actions, window),
        *view_commands(actions, window, themes),
        *help_commands(window),
    )
