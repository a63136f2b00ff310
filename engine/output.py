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
LONGEST_SHOWN = 120  # characters of a path in a message
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
    """Raises OutputError early, before minutes of work, when `target` cannot be written."""
    if target == STANDARD_OUTPUT:
        return
    path = _file(target)
    try:
        if path.is_dir():
            raise OutputError(f"cannot write {shown(target)}: it is a folder, a file name is wanted")
        if not path.parent.is_dir():
            raise OutputError(f"cannot write {shown(target)}: there is no folder {shown(str(path.parent))}")
        if not path.exists() or path.is_file():
            _try(path)
    except OSError as error:
        raise OutputError(f"cannot write {shown(target)}: {_reason(error)}; choose another place") from None


def check_folder(target: str) -> None:
    """Raises OutputError when `target` cannot become, or is not, a folder that can be written into."""
    path = _file(target)
    try:
        if path.exists() and not path.is_dir():
            raise OutputError(f"cannot write into {shown(target)}: it is a file, a folder is wanted")
        standing = next(folder for folder in (path, *path.parents) if folder.exists())
        if not standing.is_dir():
            raise OutputError(f"cannot write into {shown(target)}: {shown(str(standing))} is a file")
        _try(standing / path.name)
    except OSError as error:
        raise OutputError(f"cannot write into {shown(target)}: {_reason(error)}; choose another place") from None


def shown(path: str) -> str:
    """A path as part of a message: short, and without what no screen can show."""
    printable = "".join(character if character.isprintable() else "�" for character in path)
    return printable if len(printable) <= LONGEST_SHOWN else f"{printable[:LONGEST_SHOWN]}…"


def encodable(text: str) -> str:
    """The same, with the halves of characters that a file name may hold written as JSON escapes them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _file(target: str) -> Path:
    """The path that was asked for. Raises OutputError when it cannot be one."""
    if not target:
        raise OutputError("no place was given to write to: a name is wanted")
    try:
        os.fsencode(target)
        return Path(target).resolve()
    except (ValueError, OSError):  # surrogates, NUL, a link that leads to itself
        raise OutputError(f"cannot write {shown(target)}: this is not a name that a file can have") from None


def _try(path: Path) -> None:
    """Raises OSError where the answer could not be put in place; leaves nothing behind."""
    trial = _temporary(path)
    try:
        trial.touch()
    finally:
        trial.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """Beside `path`, so that it can be put in its place at once."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _reason(error: OSError) -> str:
    """What stopped the writing. A system folder that takes no files says that something is not there."""
    missing = isinstance(error, FileNotFoundError)
    return "this folder takes no files" if missing else (error.strerror or "it is closed")


def write(target: str, text: str) -> None:
    """To a file, put in place at once, or to standard output for '-'. Raises OutputError."""
    try:
        if target == STANDARD_OUTPUT:
            _print(sys.stdout, text)
        else:
            _replace(_file(target), encodable(text).encode("utf-8"))
    except OSError as error:
        where = "standard output" if target == STANDARD_OUTPUT else shown(target)
        raise OutputError(f"cannot write {where}: {_reason(error)}") from None


def _print(stream: TextIO | None, text: str) -> None:
    if stream is None:  # the program was started with it closed
        raise OSError
    try:
        stream.write(encodable(text))
        stream.flush()
    except OSError:
        # Python flushes once more on its way out, and would complain a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not path.is_file():
        path.write_bytes(content)  # a device or a pipe is written to, never replaced
        return
    temporary = _temporary(path)
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
