import torch

from chainrule.metrics import recall


def test_it_divides_by_the_rows_that_are_of_the_class():
    output, target = torch.tensor([[1.0], [0], [0], [1]]), torch.tensor([[1.0], [1], [1], [0]])
    assert recall()(output, target).item() == torch.tensor(1 / 3).item()
