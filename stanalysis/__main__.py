"""``python -m stanalysis``: the command line."""

from stanalysis.cli.main import main

if __name__ == "__main__":
    main()
