import torch
from sklearn.linear_model import LinearRegression

from chainrule.metrics import r2
from chainrule.tasks import diabetes


def test_a_linear_model_explains_half_of_the_variance():
    (x, y), _, (x_test, y_test) = diabetes().splits(0)
    prediction = LinearRegression().fit(x, y).predict(x_test)
    found = r2()
    sums = found.sums(torch.as_tensor(prediction)[None].double(), y_test[None].double())
    assert 0.3 < found.value({name: torch.as_tensor(value) for name, value in sums.items()}).item() < 0.7


def test_inputs_and_targets_are_standardized_over_all_rows():
    for part in zip(*diabetes().splits(0), strict=True):
        rows = torch.cat(part).double()
        assert rows.mean(0).abs().max() < 1e-4
        assert (rows.var(0, correction=0) - 1).abs().max() < 1e-3
