import pytest
import torch

from chainrule.optimizers import adam

SETTINGS = [
    {},
    {"lr": 0.1},
    {"lr": 0.1, "betas": (0.5, 0.9)},
    {"lr": 0.1, "betas": (0.0, 0.999)},
    {"lr": 0.1, "betas": (0.9, 0.5)},
    {"lr": 0.1, "eps": 1e-2},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_equals_torch(settings, trajectory, torch_trajectory, assert_same):
    assert_same(trajectory(adam(**settings)), torch_trajectory(torch.optim.Adam, **settings))


class Uncorrected(adam):
    def scalars(self, t):
        return {"bias1": 1.0, "bias2": 1.0}


class SecondMomentUncorrected(adam):
    def scalars(self, t):
        return {**super().scalars(t), "bias2": 1.0}


class CorrectedFromZero(adam):
    def scalars(self, t):
        return super().scalars(t + 1)


class EpsInside(adam):
    def update(self, parameter, grad, state, step):
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        return m / step["bias1"] / (v / step["bias2"] + self.eps).sqrt()


class EpsBeforeCorrection(adam):
    def update(self, parameter, grad, state, step):
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        v = state["v"].lerp_(grad * grad, 1 - beta2)
        return m / step["bias1"] / ((v.sqrt() + self.eps) / step["bias2"] ** 0.5)


class RootOfFirstMoment(adam):
    """Equation (11) as the paper prints it."""

    def update(self, parameter, grad, state, step):
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1) / step["bias1"]
        v = state["v"].lerp_(grad * grad, 1 - beta2) / step["bias2"]
        return m.abs().sqrt() * m.sign() / (v.sqrt() + self.eps)


@pytest.mark.parametrize(
    "cls", [Uncorrected, SecondMomentUncorrected, CorrectedFromZero, EpsInside, EpsBeforeCorrection, RootOfFirstMoment]
)
def test_a_wrong_rule_is_seen(cls, trajectory, torch_trajectory, assert_same):
    with pytest.raises(AssertionError):
        assert_same(trajectory(cls(lr=0.1, eps=1e-2)), torch_trajectory(torch.optim.Adam, lr=0.1, eps=1e-2))


def test_it_has_no_weight_decay():
    with pytest.raises(TypeError, match="weight_decay"):
        adam(weight_decay=0.1)
