"""The components of this distribution, whatever other packages are installed."""

from chainrule import Optimizer, components
from chainrule.registry import load
from chainrule.registry.component import OWN_DISTRIBUTION

BUILT_IN = [record for record in components() if record.distribution == OWN_DISTRIBUTION and not record.foreign]


def built_in_rules() -> list[type[Optimizer]]:
    """Return the classes of the optimizers, sorted by name."""
    return [load(record) for record in BUILT_IN if record.kind == "optimizers"]
