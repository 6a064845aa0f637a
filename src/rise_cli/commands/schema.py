"""`rise schema`: the JSON Schema of a trajectory."""

from __future__ import annotations

import json
import sys

from rise_cli.history.record import schema


def show_schema() -> None:
    """Print the schema on stdout."""
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
