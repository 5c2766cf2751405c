"""Optuna studies that are killed at random moments, and resumed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_killed_study_ends_with_every_point_of_its_grid_once():
    command = [sys.executable, Path(__file__).with_name("kill_studies.py"), "--kills", "10"]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("10 kills, ")
