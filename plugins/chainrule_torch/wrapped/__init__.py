"""Optimizers of PyTorch as rules."""

from chainrule_torch.wrapped.wrapping import wrap as wrap
