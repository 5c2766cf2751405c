"""Sweeps that are killed at random moments, and go on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")]


def test_fifty_kills_lose_nothing_and_nothing_is_computed_twice():
    command = [sys.executable, Path(__file__).with_name("kill_sweeps.py"), "--kills", "50"]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("50 kills of ")
