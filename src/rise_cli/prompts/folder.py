"""Where the words are: shipped ones by name, others by path.

Shipped prompts are in the repository's `prompts/` folder and, in an installation, in the package. Every
folder in there with a `protocol.toml` is a protocol; `roles/` holds roles, `shared/` what every
protocol has unless it brings a file of that name itself, `judge/` what a judge of finished runs is asked.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from rise_cli.errors import UsageError

_LARGEST = 1 << 20  # bytes; a prompt file beyond this is a mistake


def home() -> Path:
    """The folder of shipped prompts: in the installed package, or in the source tree."""
    installed = Path(__file__).parents[1] / "_prompts"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "prompts"


def names() -> list[str]:
    """The shipped protocols, by name."""
    return sorted(p.parent.name for p in home().glob("*/protocol.toml"))


def roles() -> list[str]:
    """The shipped roles, by name."""
    return sorted(p.stem for p in (home() / "roles").glob("*.md"))


def find(name: str) -> Path:
    """Return the folder of the protocol `name`, or of the folder that it is a path to.

    Raises UsageError with the known names if there is neither.
    """
    if name in names():
        return home() / name
    # A bare name is never a folder: a `rise.toml` may name a protocol, and comes from strangers.
    if (folder := outside(name)) and is_file(folder / "protocol.toml"):
        return folder
    raise UsageError(
        unknown("protocol", name, names(), "or the path of a folder with a protocol.toml, such as ./mine")
    )


def outside(name: str) -> Path | None:
    """The path that `name` is, or None where it is a bare name."""
    if "/" not in name:
        return None
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise UsageError(f"the ~ in {name!r} names nobody's home; write the path out") from None


def is_file(path: Path) -> bool:
    """Whether there is a file. Raises UsageError where that cannot be told."""
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"cannot open {str(path)!r}: {error.strerror}") from None


def read_text(path: Path) -> str:
    """Return a prompt file's text. Raises UsageError where it cannot be read, is no UTF-8 or is huge."""
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{str(path)!r} is larger than 1 MiB; a prompt file should not be")
        return path.read_text(encoding="utf-8-sig")  # some editors put a mark before the text
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{str(path)!r} is not UTF-8; save it as UTF-8") from None


def unknown(what: str, name: str, known: list[str], otherwise: str) -> str:
    """The message for a name that nothing has."""
    close = get_close_matches(name.lower(), known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"no {what} named {name!r}{hint} Known: {', '.join(known) or 'none'}, {otherwise}"
