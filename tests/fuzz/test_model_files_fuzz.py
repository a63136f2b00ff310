"""Model files spoilt at random: never a crash, a hang or a large allocation, always one clear line (or a model)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.models import write_models

ROOT = Path(__file__).parents[2]


def fuzz(folder: Path, seconds: float, seed: int) -> None:
    models = folder / "models"
    models.mkdir()
    write_models(models)
    command = [sys.executable, "-m", "tests.fuzz.mutate", str(models), str(seconds), str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3 * seconds + 60, check=False
    )
    told = re.search(r"tried (\d+) refused (\d+)", ended.stdout)
    assert ended.returncode == 0 and told, f"{ended.returncode}: {ended.stdout[-4000:]}{ended.stderr[-4000:]}"
    tried, refused = map(int, told.groups())
    assert tried > 50 and refused > tried / 4, told[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory limit is Linux's")
def test_that_spoilt_model_files_end_in_one_line(tmp_path: Path) -> None:
    fuzz(tmp_path, seconds=20, seed=1)


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory limit is Linux's")
@pytest.mark.parametrize("seed", range(2, 6))
def test_that_many_spoilt_model_files_end_in_one_line(tmp_path: Path, seed: int) -> None:
    fuzz(tmp_path, seconds=300, seed=seed)
