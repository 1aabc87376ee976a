"""Find cell types in single-cell RNA-seq: ``python runSC.py --help``."""

from scrcl.cli import main_sc

if __name__ == "__main__":
    raise SystemExit(main_sc())
