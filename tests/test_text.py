import pytest

from scrcl._text import counted


@pytest.mark.parametrize(
    ("n", "things", "text"),
    [
        (0, "cells", "0 cells"),
        (1, "cells", "1 cell"),
        (12_345, "cells", "12,345 cells"),
        (1, "antibodies", "1 antibody"),
        (1, "classes", "1 class"),
        (1, "control probes", "1 control probe"),
        (1, "spike-ins", "1 spike-in"),
    ],
)
def test_one_thing_is_written_in_the_singular(n, things, text):
    assert counted(n, things) == text
