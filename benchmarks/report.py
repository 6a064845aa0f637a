"""How large a page of many problems is, how long it takes to build, and to open in Chromium.

uv run python benchmarks/report.py [--problems 10000] [--turns 5] [--words 150] [--keep FOLDER] [--no-browser]

The rows are made up: answers that mostly agree, replies of so many words, each a revision of the one before.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rise_cli.core.domain import Attempt, Call, Completion, Done, Policy, Problem, Trajectory, Usage, Verdict
from rise_cli.core.loop import next_step
from rise_cli.core.domain import Finish, Kind, Place
from rise_cli.history.record import dumps, to_record
