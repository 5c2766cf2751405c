"""Checks on optimizers."""

from chainrule.testing.optimizers import application as application
from chainrule.testing.optimizers import declarations as declarations
from chainrule.testing.optimizers import formula as formula
from chainrule.testing.optimizers import numerics as numerics
from chainrule.testing.optimizers import state as state
