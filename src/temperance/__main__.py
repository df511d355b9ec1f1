"""`python -m temperance` is the command `temperance`."""

from temperance.cli import run

if __name__ == "__main__":
    run()
