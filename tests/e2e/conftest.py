"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from tests.e2e.commands import Run, failing, succeeding


@pytest.fixture
def succeed(capfd: pytest.CaptureFixture[str]) -> Run:
    return succeeding(capfd)


@pytest.fixture
def fail(capfd: pytest.CaptureFixture[str]) -> Run:
    return failing(capfd)
