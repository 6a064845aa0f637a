"""Compares the prompts that a wheel carries with those of the source tree, byte by byte.

python tests/wheel_prompts.py dist/*.whl
"""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile

PROMPTS = Path(__file__).parents[1] / "prompts"
PACKED = "rise_cli/_prompts/"


def differences(wheel: Path, prompts: Path = PROMPTS) -> list[str]:
    """Return one line for each file that the wheel lacks, has in excess, or has with other bytes."""
    wanted = {path.relative_to(prompts).as_posix(): path.read_bytes() for path in _files(prompts)}
    with ZipFile(wheel) as archive:
        packed = {
            name.removeprefix(PACKED): archive.read(name)
            for name in archive.namelist()
            if name.startswith(PACKED) and not name.endswith("/")
        }
    if not wanted:
        return [f"no prompts in {prompts}"]
    found = [f"missing: {name}" for name in wanted.keys() - packed.keys()]
    found += [f"in excess: {name}" for name in packed.keys() - wanted.keys()]
    found += [f"different: {name}" for name in wanted.keys() & packed.keys() if wanted[name] != packed[name]]
    return sorted(found)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def main(wheels: list[str]) -> int:
    if not wheels:
        print(__doc__, file=sys.stderr)
        return 2
    found = [f"{wheel}: {line}" for wheel in wheels for line in differences(Path(wheel))]
    print("\n".join(found) or f"{len(_files(PROMPTS))} prompt files, all as in the source tree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
