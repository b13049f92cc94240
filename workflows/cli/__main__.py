"""`python -m workflows.cli` is the command `camvid`."""

from workflows.cli.main import main

if __name__ == "__main__":
    main()
