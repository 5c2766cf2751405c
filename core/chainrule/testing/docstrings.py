"""The check on docstrings, shared by several kinds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from chainrule.formulas import docstring_of
from chainrule.testing.check import NotApplicable
from chainrule.testing.compare import expect


def expect_sections(component: Any, sections: Sequence[str]) -> None:
    """Raise CheckFailed unless the docstring begins with a sentence and has every section, with content.

    Raises:
        NotApplicable: if Python has stripped docstrings.
    """
    if sys.flags.optimize >= 2:
        raise NotApplicable("Python strips docstrings with -OO or PYTHONOPTIMIZE=2")
    text = docstring_of(component)
    first = text.partition("\n")[0]
    expect(first.endswith("."), f"the docstring must begin with a sentence, got {first!r}.")
    for section in sections:
        found = [line.removeprefix(section).strip() for line in text.splitlines() if line.startswith(section)]
        expect(any(found), f'the docstring needs a section "{section}" with content.')
