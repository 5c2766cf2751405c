"""Checks on losses."""

from chainrule.testing.losses import gradients as gradients
from chainrule.testing.losses import rows as rows
from chainrule.testing.losses import targets as targets
from chainrule.testing.losses import values as values
