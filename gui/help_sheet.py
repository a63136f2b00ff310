"""Two sheets of text: every command with its key, and what the program is made of."""

from __future__ import annotations

from html import escape
from itertools import groupby

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from gui.commands import MENUS, PANELS, Command, keys_text

POINTING = (
    ("Hover", "previews a head, a token or a cell; nothing is changed"),
    ("Click", "pins it; the same click again, or Escape, lets go"),
    ("Arrow keys", "move in the grid, the token strip and the pattern; Enter pins"),
    ("Wheel in the pattern", "zooms; drag moves, double click shows all; Ctrl and wheel zooms the grid"),
    ("Drop a file or folder", "anywhere on the window opens the model in it"),
    ("Tab in the prompt", "accepts the predicted token; Shift+Tab leaves the prompt"),
)
LICENCES = (
    ("Headscope", "MIT"),
    ("Qt and PySide6", "LGPL 3"),
    ("PyTorch, NumPy, safetensors, tokenizers, pyqtgraph", "BSD, Apache 2.0, MIT"),
    ("Inter and JetBrains Mono", "SIL Open Font License 1.1"),
    ("Models that ship", "see the card of each model"),
)


class TextSheet(QDialog):
    """A page to read, with one button to close it."""

    def __init__(self, title: str, html: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.page = QTextBrowser()
        self.page.setHtml(html)
        self.page.setFrameShape(QTextBrowser.Shape.NoFrame)
        buttons = QDialogButtonBox()
        buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.page, 1)
        column.addWidget(buttons)
        self.resize(640, 620)


def shortcuts_html(commands: tuple[Command, ...]) -> str:
    """All commands, menu by menu; those that one sentence explains stand together."""
    parts = ["<h3>Pointing</h3>", _table([(escape(keys), escape(what)) for keys, what in POINTING])]
    for menu in (*MENUS, PANELS):
        rows = []
        for tip, alike in groupby((c for c in commands if c.menu == menu), key=lambda c: c.tip):
            group = list(alike)
            rows.append((keys_text(group[0]), f"<b>{', '.join(_bare(c.text) for c in group)}</b><br>{escape(tip)}"))
        if rows:
            parts += [f"<h3>{menu}</h3>", _table(rows)]
    return "".join(parts)


def about_html() -> str:
    """What it is and under which licences its parts come."""
    words = (
        "<h3>Headscope</h3><p>Shows, on your own prompt, how a transformer completes a pattern that it has seen "
        "before, and which attention heads do it. It works without a network.</p><h3>Licences</h3>"
    )
    return words + _table([(escape(licence), escape(part)) for part, licence in LICENCES])


def _bare(text: str) -> str:
    return escape(text.replace("&", "").rstrip("…"))


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(
        f"<tr><td width='170' style='padding: 3px 18px 3px 0'>{left}</td><td style='padding: 3px 0'>{right}</td></tr>"
        for left, right in rows
    )
    return f"<table>{cells}</table>"
