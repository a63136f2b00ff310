"""A stack of interventions as a text file, one step a line in the form of the command line; switched off and named ones
say so in front: `off "without the note": zero 0.3`. Lines that begin with # are remarks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from engine.circuits.interventions.lines import parse
from gui.steps import Step, Steps

FIRST_LINE = "# Headscope interventions"
LARGEST = 8_000_000  # bytes; a painted pattern of 256 tokens takes about one million


class StackFileError(Exception):
    """A stack that cannot be written or read, in one line for the user."""


def written(steps: Steps) -> str:
    """The whole file."""
    return "\n".join([FIRST_LINE, *map(_line, steps), ""])


def read(text: str) -> Steps:
    """Raises ValueError, in one line that names the line of the file, for what is no intervention."""
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                steps.append(_step(line.strip()))
            except ValueError as error:
                raise ValueError(f"line {number}: {str(error)[:300]}") from None
    return tuple(steps)


def save(path: Path, steps: Steps) -> None:
    """Whole or not at all. Raises StackFileError."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_text(written(steps), encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise StackFileError(f"{path.name} could not be written: {error.strerror or error}") from None


def load(path: Path) -> Steps:
    """Raises StackFileError for a file that cannot be read or holds anything else."""
    try:
        if path.stat().st_size > LARGEST:
            raise StackFileError(f"{path.name} is too large for a stack of interventions")
        steps = read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackFileError(f"{path.name} could not be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise StackFileError(f"{path.name} is no text: open a stack saved from the Interventions panel") from None
    except ValueError as error:
        raise StackFileError(f"{path.name}, {error}") from None
    if not steps:
        raise StackFileError(f"{path.name} holds no interventions")
    return steps


def _line(step: Step) -> str:
    name = f"{json.dumps(step.name, ensure_ascii=False)}: " if step.name else ""
    return ("" if step.on else "off ") + name + str(step.value)


def _step(line: str) -> Step:
    on = not line.startswith("off ")
    line = line.removeprefix("off ").lstrip()
    name = ""
    if line.startswith('"'):
        found, end = json.JSONDecoder().raw_decode(line)
        name, line = str(found), line[end:].lstrip()
        if not line.startswith(":"):
            raise ValueError('after a name stands a colon: "name": zero 0.3')
        line = line[1:]
    return Step(parse(line), on, name)
