"""The packages of the extra `lab`, of which the lab's commands need some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chainrule import ChainruleError

PACKAGES = {
    **{name: name for name in ("jinja2", "markupsafe", "matplotlib", "numpy", "scipy")},
    "sklearn": "scikit-learn",
    "tomli_w": "tomli-w",
}
"""The packages that may be missing, by the name of their import."""


@contextmanager
def lab_required(owner: str) -> Iterator[None]:
    """Raise ChainruleError in place of the import error if a package of the extra `lab` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        raise ChainruleError(
            f'{owner} needs {PACKAGES[package]}, which is not installed: pip install "chainrule[lab]".'
        ) from error
