"""When the keyboard brought the focus: only then does a widget show where its keys would act."""

from __future__ import annotations

from PySide6.QtCore import Qt

KEYBOARD_REASONS = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)
