"""Training on several processes, started by ``torchrun --nproc-per-node N script.py``."""

from chainrule.distributed.fit import fit as fit
