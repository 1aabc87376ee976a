"""Find and draw marker genes: ``python draw_DEGs.py --help``."""

from scrcl.cli import main_degs

if __name__ == "__main__":
    raise SystemExit(main_degs())
