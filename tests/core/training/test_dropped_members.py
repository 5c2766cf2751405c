"""Members that a callback drops, which leave the computation."""

import pytest
import torch

from chainrule import fit, hookimpl, param_groups
from chainrule.activations import tanh
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, lookahead, muon, sgd, sgld
from chainrule.schedules import exponential

X, Y = torch.randn(2, 4, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
RATES = torch.tensor([0.1, 0.01, 0.03, 0.003])
KEPT = [1, 3]


class Drops:
    """Drop members after epochs, by number of the epoch, and remember the network as it was then."""

    def __init__(self, plan=None):
        self.plan = {2: [2], 3: [0]} if plan is None else plan
        self.states, self.members = {}, {}

    @hookimpl
    def chainrule_epoch_end(self, run, epoch):
        self.members[epoch] = run.members
        for member in self.plan.get(epoch, []):
            row = run.members.index(member)
            self.states[member] = {name: value[row] for name, value in run.network.state_dict().items()}
        run.drop(self.plan.get(epoch, []))


def train(*callbacks, rule=None, seeds=(0, 1, 2, 3), epochs=5, dtype=torch.float64, per_member=False, **settings):
    layers = [linear(3, 8), batch_norm(8), tanh(), dropout(0.2), linear(8, 3)]
    network = sequential(*layers).build(seeds=seeds, dtype=dtype)
    x, y = (tensor.to(dtype) if per_member else tensor[0].to(dtype) for tensor in (X, Y))
    history = fit(
        network, mse(), rule or adam(lr=0.1), train=(x, y), validation=(x, y), batch_size=8, epochs=epochs,
        callbacks=callbacks, per_member=per_member, **settings,
    )  # fmt: skip
    return network, history


RULES = {
    "rates": adam(lr=RATES),
    "schedule": sgd(lr=0.1, momentum=0.9, schedule=lambda t: RATES * 0.9**t),
    "schedule of numbers": adam(lr=0.1, schedule=exponential(gamma=1 - RATES)),
    "wrappers": lookahead(inner=ema(inner=adam(lr=RATES, betas=(1 - RATES, 0.99)), decay=0.9), k=2),
    "groups": param_groups({"matrices": muon(lr=RATES), "*": adam()}),
    "noise": sgld(lr=1e-3, temperature=RATES),
}


@pytest.mark.parametrize("per_member", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_the_others_go_on_to_the_bit(rule, dtype, per_member):
    drops = Drops()
    network, history = train(drops, rule=rule, dtype=dtype, per_member=per_member)
    free, expected = train(rule=rule, dtype=dtype, per_member=per_member)
    assert drops.members == {1: [0, 1, 2, 3], 2: [0, 1, 2, 3], 3: [0, 1, 3], 4: KEPT, 5: KEPT}
    for name, values in free.state_dict().items():
        assert torch.equal(network.state_dict()[name][KEPT], values[KEPT])
    for name, curve in expected.items():
        assert torch.equal(history[name][:, KEPT], curve[:, KEPT])
        assert torch.equal(history[name][:2], curve[:2])
        assert torch.equal(history[name][2, 0], curve[2, 0])
        assert history[name][2:, 2].isnan().all()
        assert history[name][3:, 0].isnan().all()
    assert history.members == KEPT
