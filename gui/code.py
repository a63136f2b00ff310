"""Requests as the Python that asks them: what "Show the code" shows. Pure; runs nothing.

Fields that have their usual value are left out, so that the lines say what was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from engine.work.requests import Request

WIDTH = 100
NO_MODEL = "# No model is open."

# What shows the numbers of an answer: by the request that gives it.
SHOWN = {
    "Analyze": """for guess in found.predictions:
    print(f"{guess.text!r:>20} {guess.probability:.4f}")""",
    "ExamineHead": "print(found.pattern.round(3))",
    "ScoreHeads": """for row in found.heads:
    print(row.ref, row.induction, row.previous_token, row.copying_eigenvalue, row.ablation_delta_loss)""",
    "Compare": "print(found.moved.round(3))",
    "MeasureComposition": """print(*found.readers)
for writer, row in zip(found.writers, found.kinds["k"].fraction if "k" in found.kinds else []):
    print(writer, row.round(3))""",
    "TraceCircuit": """for writer, row in zip(found.writers, found.contributions["k"]):
    print(writer, row.round(3))""",
    "StudyHead": "print(found.ov.eigenvalues.round(3), found.ov.copying)",
    "FindFirings": """for place in found.firings:
    print(f"{place.attention:.2f}", "".join(place.texts))""",
    "ExplainAttention": """print(*found.names)
for name, row in zip(found.names, found.centred):
    print(name, row.round(3))""",
    "ExplainPrediction": """for name, value in zip(found.names, found.values):
    print(f"{name:>8} {value:+.3f}")""",
    "ExamineVirtualHead": "print(found.pattern.round(3), found.ov.copying)",
    "PatchPair": """for effect in found.effects:
    print(effect.kind, effect.direction, effect.metric, effect.value)""",
    "SweepHeads": """for row in sorted(found.rows, key=lambda row: row.chance):
    print(f"{row.name:>8} {row.chance:+.4f}")""",
}


def code_of(model: str, requests: Sequence[Request]) -> str:
    """A script that asks these requests of a model and shows what comes; run it where `engine` can be imported."""
    if not model:
        return f"{NO_MODEL}\n"
    lines = ["# Run it in Headscope's folder: python this_file.py", *_imports(requests), ""]
    lines.append(f"session = Session({model!r})")
    for request in requests:
        lines += ["", f"found = session.ask({spelled(request)})", SHOWN.get(type(request).__name__, "print(found)")]
    return "\n".join(lines) + "\n"


def spelled(value: Any, indent: int = 0) -> str:
    """A frozen value as the call that makes it, on several lines where one would be too long."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        inner = ", ".join(spelled(item, indent) for item in value)
        return f"({inner}{',' if len(value) == 1 else ''})"
    parts = _parts(value, indent + 4)
    if parts is None:
        return repr(value)
    name = type(value).__name__
    line = f"{name}({', '.join(parts)})"
    if indent + len(line) <= WIDTH and "\n" not in line:
        return line
    pad = " " * (indent + 4)
    return f"{name}(\n" + "".join(f"{pad}{part},\n" for part in parts) + " " * indent + ")"


def _parts(value: Any, indent: int) -> list[str] | None:
    """The arguments that differ from their defaults; None for plain values."""
    if hasattr(value, "_fields"):
        return [spelled(item, indent) for item in value]
    if not is_dataclass(value) or isinstance(value, type):
        return None
    chosen = ((field, getattr(value, field.name)) for field in fields(value))
    return [f"{field.name}={spelled(given, indent)}" for field, given in chosen if given != _default(field)]


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _imports(requests: Sequence[Request]) -> list[str]:
    modules: dict[str, set[str]] = {"engine.session": {"Session"}}
    for request in requests:
        _collect(request, modules)
    return [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items())]


def _collect(value: Any, modules: dict[str, set[str]]) -> None:
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        for item in value:
            _collect(item, modules)
        return
    if hasattr(value, "_fields"):
        inner = list(value)
    elif is_dataclass(value):
        inner = [getattr(value, field.name) for field in fields(value) if getattr(value, field.name) != _default(field)]
    else:
        return
    modules.setdefault(type(value).__module__, set()).add(type(value).__name__)
    for item in inner:
        _collect(item, modules)
