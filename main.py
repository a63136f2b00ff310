"""Headscope: from arguments to the window, or to a headless command.

Thin on purpose: neither torch nor Qt is imported before it is known which is needed, and in which order.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from engine import cli, output
from engine.model import library

COMMANDS = ("models", "analyze", "experiments", "evaluate", "render", "train", "emergence", "bench")
DEFAULT_MODEL = "default"


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status; 2 and one line on standard error for bad input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    given = list(sys.argv[1:] if argv is None else argv)
    return cli.guarded(lambda: _command(given) if given and given[0] in COMMANDS else _window(given))


def _command(given: list[str]) -> int:
    parser = cli.OneLineParser(prog="main.py", allow_abbrev=False)
    commands = parser.add_subparsers(parser_class=cli.OneLineParser)
    cli.add_commands(commands)
    render = commands.add_parser("render", help="a view as a picture", allow_abbrev=False)
    cli.add_model(render)
    render.add_argument("--prompt", metavar="TEXT", default="")
    render.add_argument("--corrupt", metavar="TEXT", help="a second prompt to compare with")
    render.add_argument("--view", metavar="NAME")
    render.add_argument("--list-views", action="store_true")
    render.add_argument("--select", metavar="head=L.H,token=N,pair=L.H>L.H:K", default="")
    render.add_argument("--size", metavar="WxH", type=_size, default=(1600, 1000))
    render.add_argument("--theme", choices=("dark", "light"), default="dark")
    render.add_argument("--out", metavar="F.png|F.svg")
    render.set_defaults(run=_render)
    bench = commands.add_parser("bench", help="measure the budgets of docs/performance.md", allow_abbrev=False)
    bench.add_argument("--only", metavar="NAME", nargs="+", action="extend", default=[])
    cli.add_json(bench)
    bench.set_defaults(run=_bench)
    arguments = parser.parse_args(given)
    return int(arguments.run(arguments))


def _window(given: list[str]) -> int:
    parser = cli.OneLineParser(prog="main.py", allow_abbrev=False, epilog=f"Commands: {', '.join(COMMANDS)}.")
    parser.add_argument("--model", metavar="M", help="a name that `models` lists, a file or a folder")
    parser.add_argument("--prompt", metavar="TEXT", help="what the model reads first")
    parser.add_argument("file", metavar="FILE", nargs="?", help="a model to open")
    parser.add_argument("--exit-after", choices=("first-picture",), help="for tests: quit once the prompt is painted")
    arguments = parser.parse_args(given)
    if arguments.model and arguments.file:
        raise cli.UsageError("give either --model or a file, not both")
    model = arguments.model or arguments.file or DEFAULT_MODEL
    if model != DEFAULT_MODEL:
        library.resolve(model)  # a name that is misspelt, or a command, should not open a window
    if sys.platform == "win32":
        from gui import splash

        with splash.shown():
            _torch_first_on_windows()
    from gui import app

    return int(app.run(arguments.model or arguments.file or DEFAULT_MODEL, arguments.prompt, arguments.exit_after))


def _render(arguments: argparse.Namespace) -> int:
    if not arguments.list_views:
        if not arguments.out:
            raise cli.UsageError("render needs --out F.png or F.svg")
        output.check(arguments.out)
    _torch_first_on_windows()
    from gui.cli import list_views, render

    if arguments.list_views:
        output.write(output.STANDARD_OUTPUT, "".join(f"{name}\n" for name in list_views()))
        return 0
    return render(
        model=arguments.model,
        prompt=arguments.prompt,
        corrupt=arguments.corrupt,
        view=arguments.view,
        select=arguments.select,
        size=arguments.size,
        theme=arguments.theme,
        out=arguments.out,
    )


def _bench(arguments: argparse.Namespace) -> int:
    output.check(arguments.json)
    _torch_first_on_windows()
    from gui.cli import bench

    output.write(arguments.json, output.json_text(bench(only=arguments.only)))
    return 0


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 100 <= int(width) <= 10_000 and 100 <= int(height) <= 10_000):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not WIDTHxHEIGHT, for example 1600x1000")
    return int(width), int(height)


def _torch_first_on_windows() -> None:
    """Loaded after Qt, torch's libraries fail to load there (pytorch #166628)."""
    if sys.platform == "win32":
        import torch  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
