"""Which library is loaded first: on Windows torch, because after Qt it fails to load; elsewhere the window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Stands in for the modules whose order matters and notes it: a real torch cannot load under another platform's name.
RECORDER = """
import importlib.abc, importlib.util, sys, types
order = []
class Recorder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in ("torch", "gui.app", "gui.splash") else None
    def create_module(self, spec):
        order.append(spec.name)
        module = types.ModuleType(spec.name)
        module.run = lambda *given: 0
        module.shown = __import__("contextlib").nullcontext
        return module
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Recorder())
import main
sys.platform = sys.argv[1]
status = main.main([])
print(*order)
sys.exit(status)
"""


def order_on(platform: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", RECORDER, platform], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_that_on_windows_a_splash_shows_and_torch_comes_before_the_window() -> None:
    assert order_on("win32") == ["gui.splash", "torch", "gui.app"]


def test_that_elsewhere_the_window_comes_first() -> None:
    assert order_on("linux") == ["gui.app"]


def test_that_the_splash_shows_without_torch_and_goes_away() -> None:
    code = "import sys, gui.splash; sys.exit('torch' in sys.modules or 'PySide6' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

    from gui import splash

    with splash.shown() as process:
        assert process.poll() is None
    assert process.poll() is not None
