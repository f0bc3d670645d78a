"""Lets ``python -m audiolib`` run the command line."""

from audiolib.cli import main

main(prog_name="python -m audiolib")
