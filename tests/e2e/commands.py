"""Commands run in this process, as they are typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import main

Run = Callable[..., str]


def succeeding(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command that must go well and say nothing on standard error; its standard output."""

    def run(*arguments: str) -> str:
        status = main.main(arguments)
        out, err = capfd.readouterr()
        assert (status, err) == (0, "")
        return out

    return run


def failing(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command that must end with status 2, one line on standard error and nothing else; that line."""

    def run(*arguments: str) -> str:
        status = main.main(arguments)
        written, err = capfd.readouterr()
        assert status == 2
        assert err.startswith("headscope: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        assert "unexpectedly" not in err
        assert written == ""
        return err

    return run
