"""The window opened and closed again and again: it always ends well and has nothing to complain about."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMES = 20
AT_ONCE = 2  # each spends most of its time importing torch
LONGEST_S = 60


def start_and_quit(home: Path) -> tuple[int, str]:
    """Exit status and standard error, of which nothing at all is expected: there is no list of exceptions."""
    done = subprocess.run(
        [sys.executable, "main.py", "--exit-after", "first-picture"],
        cwd=ROOT,
        env={**os.environ, "HEADSCOPE_HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=LONGEST_S,
        check=False,
    )
    return done.returncode, done.stderr.decode("utf-8", "replace")


@pytest.mark.timeout(TIMES * LONGEST_S)
def test_that_starting_and_quitting_twenty_times_goes_without_a_word(tmp_path: Path) -> None:
    homes = [tmp_path / str(number % AT_ONCE) for number in range(TIMES)]  # most starts find what an earlier one left
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(start_and_quit, homes))
    assert ends == [(0, "")] * TIMES
