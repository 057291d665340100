"""`python -m sori` is the command `sori`."""

from sori.app.cli import main

if __name__ == "__main__":
    main()
