"""Sweeps: many trials over hyperparameters, seeds and architectures, trained as few ensembles."""

from chainrule_lab.sweep.space import choice as choice
from chainrule_lab.sweep.space import log_uniform as log_uniform
from chainrule_lab.sweep.space import uniform as uniform
