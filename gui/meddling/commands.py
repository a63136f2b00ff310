"""The commands that change the model's run, for menus, keys and the palette."""

from __future__ import annotations

from gui.actions import Actions
from gui.commands import Command
from gui.meddling.offer_menu import OfferMenu
from gui.meddling.stack_dialogs import StackDialogs


def intervention_commands(actions: Actions, menu: OfferMenu, dialogs: StackDialogs) -> list[Command]:
    return [*_direct(actions, menu), *_of_the_stack(actions, dialogs)]


def _direct(actions: Actions, menu: OfferMenu) -> list[Command]:
    return [
        Command(
            "remove.pinned",
            "Intervene",
            "Remove the pinned head, or put it back",
            actions.toggle_removal,
            "Takes the ringed head out of the model and shows the prediction before and after.",
            ("R",),
        ),
        Command(
            "intervene.menu",
            "Intervene",
            "What can be done here…",
            menu.open,
            "What can be done to what is pinned: remove, force, scramble, swap, patch, move; also by a right click.",
            ("M",),
        ),
        Command(
            "picture.paint",
            "Intervene",
            "Paint attention",
            actions.toggle_painting,
            "Dragging over the large pattern makes the head attend there; with Shift it takes attention away.",
            ("P",),
            checked=actions.is_painting,
            short="✎",
        ),
        Command(
            "stack.complement",
            "Intervene",
            "Complement test",
            actions.keep_circuit_only,
            "Keeps only the pinned pair, else the removed heads, else the pinned head, to see whether they are enough.",
            ("Shift+K",),
            short="Complement",
        ),
        Command(
            "stack.difference",
            "Intervene",
            "Show what the interventions change",
            actions.toggle_difference,
            "Panels show after minus before instead of what the interventions lead to.",
            ("Ctrl+Shift+D",),
            checked=actions.shows_difference,
            short="Δ",
        ),
    ]


def _of_the_stack(actions: Actions, dialogs: StackDialogs) -> list[Command]:
    return [
        Command(
            "stack.type",
            "Intervene",
            "Type an intervention…",
            dialogs.type_intervention,
            "One line, as on the command line: zero 0.3 @4, force 1.2 uniform, positions remove.",
            ("Ctrl+I",),
        ),
        Command(
            "stack.open", "Intervene", "Open a stack…", dialogs.open_stack, "Interventions from a file, one a line."
        ),
        Command(
            "stack.save",
            "Intervene",
            "Save the stack…",
            dialogs.save_stack,
            "Writes the interventions into a text file, one a line.",
            enabled=actions.has_interventions,
        ),
        Command(
            "remove.restore",
            "Intervene",
            "Take every intervention back",
            actions.restore_all,
            "Empties the stack.",
            ("Shift+R",),
            enabled=actions.has_interventions,
        ),
    ]
