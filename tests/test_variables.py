"""What a test sets in the environment isn't there for the next one."""

import subprocess
import sys

from tools.environment import ROOT

READS = []
TESTS = """
import os
import pytest

@pytest.fixture(scope="module")
def for_all():
    os.environ["FOR_ALL"] = "1"

def test_sets_one_and_deletes_one(for_all):
    os.environ["LEFT"] = "1"
    del os.environ["GIVEN"]

def test_next_one(for_all):
    assert "LEFT" not in os.environ
    assert os.environ["FOR_ALL"] == os.environ["GIVEN"] == "1"
"""


def test_no_test_leaves_a_variable(tmp_path, monkeypatch):
    file = tmp_path / "test_two.py"
    file.write_text(TESTS)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GIVEN", "1")
    command = [sys.executable, "-m", "pytest", "-p", "tests.variables"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-q", file.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "2 passed" in done.stdout, done.stdout
