"""Runs that are killed at random moments, and go on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def kill_runs(*arguments):
    command = [sys.executable, Path(__file__).with_name("kill_runs.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_start_that_fails_prints_its_error_and_exits_with_one():
    code = "import os, forked\nprocess = forked.start(lambda: 1 / 0)\nprint(os.waitpid(process, 0)[1])"
    result = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert os.waitstatus_to_exitcode(int(result.stdout)) == 1
    assert result.stderr.endswith("\nZeroDivisionError: division by zero\n")


def test_a_killed_run_ends_as_one_that_nothing_disturbed():
    assert "\n3 kills, " in kill_runs("--kills", "3", "--only", "with callbacks", "--seed", "1")


@pytest.mark.slow
def test_a_hundred_kills_change_nothing():
    assert "\n100 kills, " in kill_runs("--kills", "100")
