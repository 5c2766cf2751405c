import torch

from chainrule.initializers import ones


def test_it_fills_with_ones():
    tensor = torch.empty(3, 4)
    ones()(tensor, fan_in=4, fan_out=3, generator=torch.Generator())
    assert torch.equal(tensor, torch.ones(3, 4))
