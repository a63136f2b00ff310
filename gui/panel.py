"""What every panel of the window is: a dock that can say its numbers and the requests that they came from."""

from __future__ import annotations

from typing import ClassVar

from engine.work.requests import Request
from gui.export import Table
from gui.needs import requests_of
from gui.state import ExplorerState
from gui.theme import Theme
from gui.widgets.panel_frame import PanelFrame


class Panel(PanelFrame):
    """A panel reads the state and shows it; see `gui/panels`. `asks`: the needs (needs.py) behind what it shows."""

    asks: ClassVar[tuple[str, ...]] = ()
    _state: ExplorerState

    def apply_theme(self, theme: Theme) -> None:
        """Colours and sizes of the frame; panels go on with their body."""
        self.set_theme(theme)

    def numbers(self) -> Table:
        """What is shown, in full precision."""
        raise NotImplementedError

    def requests(self) -> tuple[Request, ...]:
        """What was asked of the engine for what is shown: enough to have the same numbers from Python."""
        return requests_of(self._state, self.asks)
