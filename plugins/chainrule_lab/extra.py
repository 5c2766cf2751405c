"""The packages of the extra `lab`, of which the lab's commands need some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chainrule import ChainruleError


@contextmanager
def lab_required(owner: str) -> Iterator[None]:
    """Raise ChainruleError in place of the import error if a package of the extra `lab` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("jinja2", "markupsafe", "matplotlib", "numpy", "scipy", "tomli_w"):
            raise
        raise ChainruleError(
            f'{owner} needs {package.replace("_", "-")}, which is not installed: pip install "chainrule[lab]".'
        ) from error
