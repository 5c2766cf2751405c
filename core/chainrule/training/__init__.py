"""Training: `fit` and what it uses."""

from chainrule.training.evaluation import evaluate
from chainrule.training.fit import fit
from chainrule.training.history import History
from chainrule.training.run import Run
from chainrule.training.training_step import training_step

__all__ = ["History", "Run", "evaluate", "fit", "training_step"]
