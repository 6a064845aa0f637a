"""placeholder"""


def main() -> None:
    """."""
