"""What all tests share: one thread per process, and the same hypothesis examples in every run."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("chainrule", deadline=None, max_examples=40, derandomize=True, database=None)
settings.load_profile("chainrule")
