"""The first example of a rule, which stands for it in commands."""

from __future__ import annotations

from chainrule import ChainruleError, Optimizer
from chainrule.errors import one_line
from chainrule.testing import Subject


def first_example(found: Subject, owner: str) -> Optimizer:
    """Return the first example of an optimizer; the owner begins messages.

    Raises:
        ChainruleError: if it has none.
    """
    try:
        example: Optimizer = found.make_examples()[0]
    except ChainruleError:
        raise
    except Exception as error:
        raise ChainruleError(
            f"{owner}: {found.name} must be made without arguments or give examples, got "
            f"{one_line(error).rstrip('.')}. Name a function in a file, FILE.py:make, that makes one."
        ) from error
    return example
