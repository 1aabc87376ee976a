"""Find domains in spatial transcriptomics: ``python runST.py --help``."""

from scrcl.cli import main_st

if __name__ == "__main__":
    raise SystemExit(main_st())
