"""`python -m rise_cli` is `rise`."""

from rise_cli.cli import main

if __name__ == "__main__":
    main()
