"""The two fixtures that every test of the command line takes, and how hypothesis and the collector are run.

`Program` sees nothing of this process's environment; whatever else runs must not find the log of whoever
runs the tests.
"""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from remembering import remember
from running import Program
from wires import WIRES

# A slow machine is no failure, and the same examples everywhere make a failure one that can be shown.
settings.register_profile("rise", deadline=None, derandomize=True)
settings.load_profile("rise")

os.environ["RISE_LOG_FILE"] = str(Path(tempfile.gettempdir()) / "rise-tests" / "log.db")

remember()


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for a clock or a process, and leave theirs idle."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def rise(tmp_path: Path) -> Program:
    """The program, in an empty home and folder, with no key set."""
    return Program(tmp_path)


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> str:
    """Each wire format, and with it each SDK."""
    return str(request.param)
