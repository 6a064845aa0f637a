"""The arguments of `rise calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rise_cli.cli.help import examples

CALIBRATE_EXAMPLES = examples(
    "rise batch problems.jsonl --no-early-stop -o results.jsonl",
    "rise calibrate results.jsonl -o calibration.json --target 0.95",
    "rise batch more.jsonl --calibration calibration.json --threshold 0.93",
    "rise calibrate results.jsonl --json | jq .suggestions",
    "",
    "Exit codes: 0 done; 2 wrong usage, or too little to calibrate; 3 scikit-learn is missing.",
)


def calibrate(
    results: Annotated[
        list[Path], typer.Argument(help="Results of rise batch with references or a check, of one model.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Where the calibration goes. [default: RESULTS.calibration.json]",
        ),
    ] = None,
    target: Annotated[
        float,
        typer.Option(
            "--target",
            metavar="X",
            min=0,
            max=1,
            help="How often the runs shall be right that the suggested threshold stops.",
        ),
    ] = 0.95,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", metavar="DIR", help="The folder of your own protocol that they were made with."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write the file also where there is one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Learn from results what a stated confidence is worth.

    Confidences are held against what was right, by isotonic and by logistic regression, tested on problems
    that were not fitted to; the better one is written to a file for --calibration. It takes 50 problems with
    a known result, 20 of them with a right turn and 20 with a wrong one.

    Beyond that a threshold, a vote temperature and a number of turns are suggested, each with what it would
    have saved and cost: by a replay of these very runs, which are best made with --no-early-stop.
    """
    from rise_cli.commands.calibrate import Wish, calibrate

    raise typer.Exit(calibrate(results, Wish(out, overwrite, target, prompt, as_json)))
