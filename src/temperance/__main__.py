"""`python -m temperance` is the command `temperance`."""

from temperance.cli import main

if __name__ == "__main__":
    main()
