"""Benchmarks: methods beside each other on labelled data. See README.md; not part of the wheel."""
