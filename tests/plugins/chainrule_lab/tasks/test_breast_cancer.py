import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

from chainrule.tasks import breast_cancer


def test_rows_are_those_of_scikit_learn_to_the_grid_of_1_in_4096():
    x, y = load_breast_cancer(return_X_y=True)
    expected = np.concatenate([scale(x), y[:, None]], 1)
    found = torch.cat([torch.cat(pair, 1) for pair in breast_cancer().splits(0)]).double().numpy()
    gaps = np.abs(expected[::19, None] - found[None]).max(2)  # of some of their rows to each of ours
    assert gaps.min(1).max() <= 1 / 8192 + 1e-9
    assert (found * 4096 == np.round(found * 4096)).all()


def test_the_problem_is_logistic_regression():
    assert [tuple(parameter.shape) for parameter in breast_cancer().network().parameters()] == [(1, 30), (1,)]
