"""What all tests share: the built-in components alone, one thread per process, and hypothesis's examples."""

import compileall
import gc
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.other_packages import hide_other_packages

ROOT = Path(__file__).parents[1]

torch.set_num_threads(1)
settings.register_profile("chainrule", deadline=None, max_examples=40, derandomize=True, database=None)
settings.load_profile("chainrule")


def pytest_configure(config: pytest.Config) -> None:
    """Hide what other packages register before a test module reads the catalogue, and compile the sources once.

    The processes of the tests, some hundred, would each compile anew what is installed with -e and not yet cached.
    """
    folder = tempfile.TemporaryDirectory(prefix="hidden-")
    config.add_cleanup(folder.cleanup)
    hide_other_packages(Path(folder.name))
    if not hasattr(config, "workerinput"):  # the workers of xdist find it done
        for sources in ("core", "plugins"):
            compileall.compile_dir(ROOT / sources, quiet=2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage among the million objects that the collection of tests makes, neither now nor in a test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ from process to process, which would keep several from sharing the tests."""
    odd = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if odd:
        raise pytest.UsageError(f"{odd[0]}: the name of a test must not hold an address; give ids=shown_alike.")
