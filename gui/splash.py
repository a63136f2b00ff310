"""A picture while torch loads, for Windows alone: there torch must be imported before Qt, so the window must wait.

Runs as a process of its own (`python -m gui.splash`), which imports Qt and no torch, until it is ended by its parent.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 60_000  # milliseconds; a splash whose parent died goes away by itself


@contextmanager
def shown() -> Iterator[subprocess.Popen[bytes]]:
    """On the screen for as long as the block runs."""
    process = subprocess.Popen([sys.executable, "-m", "gui.splash"], cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    from PySide6.QtCore import Qt, QTimer
    from PySide6.QtGui import QPixmap
    from PySide6.QtWidgets import QApplication, QSplashScreen

    from gui.theme import DARK, load_fonts, ui_font

    app = QApplication(sys.argv[:1])
    load_fonts()
    picture = QPixmap(420, 160)
    picture.fill(DARK.window)
    splash = QSplashScreen(picture)
    splash.setFont(ui_font(15))
    splash.showMessage("Headscope is starting …", Qt.AlignmentFlag.AlignCenter, DARK.text)
    splash.show()
    QTimer.singleShot(LONGEST, app.quit)
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())
