"""The two fixtures that every test of the command line takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Program
from wires import WIRES


@pytest.fixture
def rise(tmp_path: Path) -> Program:
    """The program, in an empty home and folder, with no key set."""
    return Program(tmp_path)


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> str:
    """Each wire format, and with it each SDK."""
    return str(request.param)
