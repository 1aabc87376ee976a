"""The command line: the only part that prints.

Each function takes the arguments after the name of the script and returns the exit code: 0, or 2
after one line on stderr that says what is wrong with the input.
"""

from scrcl.cli.main import main_degs, main_sc, main_st
from scrcl.cli.program import main

__all__ = ["main", "main_degs", "main_sc", "main_st"]
