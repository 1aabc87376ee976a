"""The command line: the only part that prints.

Each function takes the arguments after the name of the script and returns the exit code: 0 if all
that was asked for was made; 2 after one line on stderr that says what is wrong with the input; 1
after one line on a fault of scrcl, or on what could not be made after training.
"""

from scrcl.cli.main import main_degs, main_sc, main_st
from scrcl.cli.program import main

__all__ = ["main", "main_degs", "main_sc", "main_st"]
