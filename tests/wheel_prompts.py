"""Compares the prompts and the page's templates that a wheel carries with those of the source tree, byte by
byte.

python tests/wheel_prompts.py dist/*.whl
"""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
PROMPTS = ROOT / "prompts"
PACKED = "rise_cli/_prompts/"
TEMPLATES = "rise_cli/render/html/templates/"


def differences(wheel: Path, folder: Path = PROMPTS, inside: str = PACKED) -> list[str]:
    """Return one line for each file of `folder` that the wheel lacks `inside`, has in excess, or has with
    other bytes."""
    wanted = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}
    with ZipFile(wheel) as archive:
        packed = {
            name.removeprefix(inside): archive.read(name)
            for name in archive.namelist()
            if name.startswith(inside) and not name.endswith("/")
        }
    if not wanted:
        return [f"no files in {folder}"]
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
    pairs = ((PROMPTS, PACKED), (ROOT / "src" / TEMPLATES, TEMPLATES))
    found = [
        f"{wheel}: {line}"
        for wheel in wheels
        for folder, inside in pairs
        for line in differences(Path(wheel), folder, inside)
    ]
    many = sum(len(_files(folder)) for folder, _ in pairs)
    print("\n".join(found) or f"{many} files of prompts and templates, all as in the source tree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
