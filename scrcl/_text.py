"""Words of messages."""


def counted(n: int, things: str) -> str:
    """Write a number of things, which are given in the plural.

    Examples
    --------
    >>> counted(2142, "cells"), counted(1, "cells"), counted(1, "control probes")
    ('2,142 cells', '1 cell', '1 control probe')
    """
    words = things.split(" ")
    if n == 1:
        noun = next((i for i, word in enumerate(words) if word.endswith("s")), 0)
        words[noun] = _singular(words[noun])
    return f"{n:,} {' '.join(words)}"


def _singular(noun: str) -> str:
    if noun.endswith("ies"):
        return f"{noun[:-3]}y"
    return noun.removesuffix("es" if noun.endswith("sses") else "s")
