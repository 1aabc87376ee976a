"""``python -m scrcl``: the same as ``scrcl``."""

from scrcl.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
