"""The components of this distribution, whatever other packages are installed."""

from chainrule import components
from chainrule.registry.component import OWN_DISTRIBUTION

BUILT_IN = [record for record in components() if record.distribution == OWN_DISTRIBUTION]
