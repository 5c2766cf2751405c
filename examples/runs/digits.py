"""The data of `digits.toml`: scikit-learn's handwritten digits, 8 by 8 pixels."""

import torch
from sklearn.datasets import load_digits

from chainrule import Splits


def splits(seed: int = 0) -> Splits:
    """Return 1,297 digits for training, and 250 each for validation and test, in an order drawn from the seed."""
    pixels, classes = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels / 16, dtype=torch.get_default_dtype()), torch.tensor(classes)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return Splits(*((x[part], y[part]) for part in order.split([1297, 250, 250])))
