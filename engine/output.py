"""Writes what the headless commands answer: whole or not at all, UTF-8, and JSON without NaN. No torch, no
Qt.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any, TextIO

STANDARD_OUTPUT = "-"
# Line ends to some readers; a prompt of a --prompts file that holds one must still stand on one line.
OTHER_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class OutputError(ValueError):
    """The answer cannot be written; the message is one line for the user."""


def json_text(document: Any, indent: int | None = 1) -> str:
    """JSON on one line when `indent` is None; numbers that are not finite become null."""
    text = json.dumps(plain(document), ensure_ascii=False, allow_nan=False, indent=indent)
    for character, escape in OTHER_LINE_ENDS.items():
        text = text.replace(character, escape)
    return text + "\n"


def plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def check(target: str) -> None:
    """Raises OutputError early, before minutes of work, when `target` can hardly be written."""
    if target == STANDARD_OUTPUT:
        return
    path = Path(target)
    try:
        if path.is_dir():
            raise OutputError(f"cannot write {target}: it is a folder")
        if not path.resolve().parent.is_dir():
            raise OutputError(f"cannot write {target}: there is no folder {path.resolve().parent}")
    except OSError as error:
        raise OutputError(f"cannot write {target[:80]}: {error.strerror}") from None


def write(target: str, text: str) -> None:
    """To a file, put in place at once, or to standard output for '-'. Raises OutputError."""
    try:
        if target == STANDARD_OUTPUT:
            _print(sys.stdout, text)
        else:
            _replace(Path(target).resolve(), text.encode("utf-8"))
    except OSError as error:
        where = "standard output" if target == STANDARD_OUTPUT else target[:200]
        raise OutputError(f"cannot write {where}: {error.strerror or 'it is closed'}") from None


def _print(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        # Python flushes once more on its way out, and would complain a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not path.is_file():
        path.write_bytes(content)  # a device or a pipe is written to, never replaced
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
