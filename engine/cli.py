"""The headless twin: models, analyze, evaluate, train. The same jobs as the window's, without Qt and without
a thread.

Torch is imported only by the commands that need it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from engine import output
from engine.circuits import budget
from engine.circuits.interventions.lines import parse as parse_intervention
from engine.circuits.interventions.values import Intervention
from engine.model import library
from engine.model.config import HeadRef
from engine.work import documents
from engine.work.worker import one_line

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands = _SubParsersAction["OneLineParser"]

# all but the first four only when asked for
PARTS = (
    *("heads", "composition", "attribution", "verdict", "lens", "paths", "attention", "circuits"),
    *("walkthrough", "comparison", "patching", "causes"),
)
BAD_INPUT, INTERRUPTED = 2, 130

log = logging.getLogger(__name__)


class UsageError(ValueError):
    """What was typed is no command; the message is one line."""


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    @override
    def error(self, message: str) -> NoReturn:
        if message.endswith("expected one argument"):
            message += "; one that begins with a dash is written --option=-value"
        raise UsageError(f"{message} ({self.prog} --help says more)")


def guarded(action: Callable[[], int]) -> int:
    """The exit status of `action`; whatever goes wrong is one line on standard error, never a traceback."""
    try:
        return action()
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except SystemExit as end:
        return int(end.code or 0)
    except (ValueError, OSError) as error:
        complaint = one_line(error)
    except MemoryError:
        complaint = "there is not enough memory for this"
    except Exception as error:
        log.debug("unexpected", exc_info=True)
        complaint = f"this failed unexpectedly: {type(error).__name__}: {one_line(error)}"
    _complain(complaint)
    return BAD_INPUT


def _complain(text: str) -> None:
    """On standard error, in whatever it can write: a file name may hold bytes that are no text."""
    if sys.stderr is not None:  # closed from the start, it would be taken for standard output
        print("headscope:", output.encodable(text), file=sys.stderr)


def add_commands(commands: Commands) -> None:
    """Each command sets `run`, a function from its arguments to an exit status."""
    _add_models(commands)
    _add_analyze(commands)
    _add_experiments(commands)
    _add_evaluate(commands)
    _add_train(commands)
    _add_emergence(commands)


def _add_models(commands: Commands) -> None:
    parser = commands.add_parser("models", help="what ships with the app and what was found", allow_abbrev=False)
    add_json(parser, required=False)
    parser.set_defaults(run=models)


def _add_analyze(commands: Commands) -> None:
    parser = commands.add_parser("analyze", help="what every head does on a prompt", allow_abbrev=False)
    add_model(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prompt", metavar="TEXT")
    what.add_argument("--prompts", metavar="FILE", help="one prompt a line in, one JSON object a line out")
    what.add_argument("--repeat", metavar="L", type=whole(1), help="BOS and L random tokens, twice")
    parser.add_argument(
        "--samples", metavar="N", type=whole(1, 10_000), default=1, help="random repeats to average over"
    )
    parser.add_argument("--seed", metavar="S", type=whole(0), default=0)
    parser.add_argument(
        "--bos", action=argparse.BooleanOptionalAction, help="begin with BOS, whatever the model's file says"
    )
    parser.add_argument(
        "--truncate", action="store_true", help="of a prompt over the context keep BOS and the last tokens"
    )
    parser.add_argument("--ablate", metavar="L.H", type=head, nargs="+", action="extend", default=[])
    parser.add_argument("--ablate-kind", choices=("zero", "mean"), default="zero")
    parser.add_argument(
        "--intervene",
        metavar="TEXT",
        type=intervention,
        action="append",
        default=[],
        help="change the run, for example 'force 0.3 offset 2'; may be given several times",
    )
    parser.add_argument("--parts", metavar="P,...", type=parts, help=f"of {', '.join(PARTS)}; usually the first four")
    parser.add_argument(
        "--attention",
        metavar=("L.H", "QUERY", "KEY"),
        nargs=3,
        help="the cell that the part `attention` explains; by default the best match of the last token",
    )
    parser.add_argument(
        "--corrupt",
        metavar="TEXT",
        help="the other prompt of the parts `comparison` and `patching`; patching needs as many tokens in both",
    )
    parser.add_argument(
        "--removals",
        metavar="N",
        type=whole(0),
        help="how many heads are removed to see what it costs; of up to 64 heads usually all, else the 16 most telling",
    )
    parser.add_argument("--memory", metavar="MB", type=whole(16), help="how much one computation may take")
    add_json(parser)
    parser.set_defaults(run=analyze)


def _add_experiments(commands: Commands) -> None:
    parser = commands.add_parser(
        "experiments", help="the gallery: questions, predictions, and what comes of them", allow_abbrev=False
    )
    parser.add_argument(
        "--model", metavar="M", nargs="+", default=["default"], help="names that `models` lists, files or folders"
    )
    parser.add_argument("--only", metavar="NAME", nargs="+", help="some of the gallery; all when left out")
    parser.add_argument("--samples", metavar="N", type=whole(2, 10_000), default=200, help="prompts a condition")
    parser.add_argument("--seed", metavar="S", type=whole(0), default=0)
    forms = parser.add_mutually_exclusive_group(required=True)
    forms.add_argument("--json", metavar="F", help="file to write, '-' for standard output; a list, one entry a model")
    forms.add_argument("--markdown", metavar="F", help="the same as a page to read")
    parser.set_defaults(run=experiments)


def _add_evaluate(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate", help="how well a model copies: the figures of its card", allow_abbrev=False
    )
    add_model(parser)
    parser.add_argument("--seed", metavar="S", type=whole(0), default=0)
    add_json(parser)
    parser.set_defaults(run=evaluate)


def _add_emergence(commands: Commands) -> None:
    parser = commands.add_parser("emergence", help="what disturbing the training does to the jump", allow_abbrev=False)
    parser.add_argument("--seeds", metavar="N", type=whole(1, 100), default=5)
    parser.add_argument("--steps", metavar="N", type=whole(50, 1500), default=1000)
    parser.add_argument("--markdown", metavar="FILE", required=True, help="where the table goes, - for the screen")
    parser.set_defaults(run=emergence)


def _add_train(commands: Commands) -> None:
    parser = commands.add_parser("train", help="make a model from a recipe", allow_abbrev=False)
    parser.add_argument("--recipe", metavar="NAME", required=True)
    parser.add_argument("--seed", metavar="S", type=whole(0), default=0)
    parser.add_argument("--layers", type=int, choices=(1, 2))
    parser.add_argument("--steps", metavar="N", type=whole(1))
    parser.add_argument("--out", metavar="DIR", required=True)
    parser.set_defaults(run=train)


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="M", default="default", help="a name that `models` lists, a file or a folder"
    )


def add_json(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument("--json", metavar="F", required=required, help="file to write, '-' for standard output")


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """A reader of whole numbers within bounds."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most}")
        return number

    return read


def head(text: str) -> HeadRef:
    try:
        return HeadRef.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def intervention(text: str) -> Intervention:
    try:
        return parse_intervention(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parts(text: str) -> tuple[str, ...]:
    wanted = tuple(text.split(","))
    unknown = next((part for part in wanted if part not in PARTS), None)
    if unknown is not None:
        raise argparse.ArgumentTypeError(f"there is no part {unknown[:40]!r}; there is {', '.join(PARTS)}")
    return wanted


def models(arguments: argparse.Namespace) -> int:
    """A table, or JSON when a file is asked for."""
    rows = [documents.listed(info) for info in library.listing()]
    if arguments.json is not None:
        output.write(arguments.json, output.json_text(rows))
        return 0
    columns = ["name", "kind", "layers", "heads", "parameters", "context", "licence", "path"]
    table = [columns, *([f"{row[column]}" for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
    lines = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)
    output.write(output.STANDARD_OUTPUT, "\n".join(lines) + "\n")
    return 0


def analyze(arguments: argparse.Namespace) -> int:
    output.check(arguments.json)
    from engine import headless

    if arguments.memory is not None:
        budget.set_limit(arguments.memory)
    return headless.analyze(arguments)


def experiments(arguments: argparse.Namespace) -> int:
    output.check(arguments.json or arguments.markdown)
    from engine import headless

    return headless.experiments(arguments)


def evaluate(arguments: argparse.Namespace) -> int:
    """The copying figures, on the held-out text of the recipe that the model's card names."""
    output.check(arguments.json)
    import numpy as np

    from engine.model.loaders.formats import fingerprint, format_of
    from engine.training import evaluation, recipes, run

    path = library.resolve(arguments.model)
    info = replace(library.describe(path), hash=fingerprint(path))
    model, tokenizer = format_of(path).load(path)
    made_by = library.read_card(path).get("recipe")
    recipe = recipes.RECIPES.get(str(made_by.get("name"))) if isinstance(made_by, dict) else None
    no_text = np.zeros(0, dtype=np.int64)
    text = no_text if recipe is None else run.encoded(tokenizer, recipe, held_out=True)
    figures = evaluation.evaluate(model, tokenizer, text, arguments.seed)
    output.write(arguments.json, output.json_text({"model": documents.model(info, model.config), **figures}))
    return 0


def train(arguments: argparse.Namespace) -> int:
    output.check_folder(arguments.out)
    from pathlib import Path

    from engine.training.produce import produce

    produce(arguments.recipe, arguments.seed, arguments.layers, arguments.steps, Path(arguments.out), _tell)
    output.write(output.STANDARD_OUTPUT, f"written to {arguments.out}\n")
    return 0


def emergence(arguments: argparse.Namespace) -> int:
    output.check(arguments.markdown)
    from engine.training.study import page, study

    found = study(range(arguments.seeds), arguments.steps, lambda one: print(one, file=sys.stderr))
    command = f"main.py emergence --seeds {arguments.seeds} --steps {arguments.steps} --markdown FILE"
    output.write(arguments.markdown, page(found, command))
    return 0


def _tell(curve: dict[str, Any]) -> None:
    """One line for each row of the curves; the scores of single heads are in the card."""
    numbers = (f"{name} {value:.3f}" for name, value in curve.items() if isinstance(value, float))
    output.write(output.STANDARD_OUTPUT, f"step {curve['step']}: {', '.join(numbers)}\n")
