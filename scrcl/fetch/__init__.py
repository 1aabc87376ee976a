"""Registered data sets by name: downloaded, checked, and put where the scripts look for them."""

from scrcl.fetch.fetch import fetch
from scrcl.fetch.sources import ORIGINS, Origin, Remote

__all__ = ["ORIGINS", "Origin", "Remote", "fetch"]
