"""Domains of labelled tissues: python benchmarks/spatial.py --data-dir DIR."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.runner import main

if __name__ == "__main__":
    sys.exit(main(None, task="st", name="spatial"))
