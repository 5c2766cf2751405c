"""Checks on layers and activations."""

from chainrule.testing.modules import copies as copies
from chainrule.testing.modules import gradients as gradients
from chainrule.testing.modules import inputs as inputs
from chainrule.testing.modules import passes as passes
from chainrule.testing.modules import state as state
