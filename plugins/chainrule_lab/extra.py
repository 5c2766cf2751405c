"""The packages of the project's extras, of which the lab's commands need some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chainrule import ChainruleError

PACKAGES = {
    **{name: (name, "lab") for name in ("jinja2", "markupsafe", "matplotlib", "numpy", "scipy")},
    "sklearn": ("scikit-learn", "lab"),
    "tomli_w": ("tomli-w", "lab"),
    "dask": ("dask", "dask"),
    "distributed": ("distributed", "dask"),
    "pyarrow": ("pyarrow", "parquet"),
}
"""The packages that may be missing, and the extras that bring them, by the name of their import."""


@contextmanager
def lab_required(owner: str) -> Iterator[None]:
    """Raise ChainruleError in place of the import error if a package of an extra is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        name, extra = PACKAGES[package]
        raise ChainruleError(
            f'{owner} needs {name}, which is not installed: pip install "chainrule[{extra}]".'
        ) from error
