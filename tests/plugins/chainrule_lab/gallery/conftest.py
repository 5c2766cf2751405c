"""A third party's components, good and bad, in the catalogue of this process."""

import sys

import pytest

from chainrule import Component
from chainrule.registry import lookup
from chainrule.registry.catalogue import Catalogue

MODULE = '''
import torch
from chainrule import Module, Optimizer, Schedule, Wrapper, hyperparameter
from chainrule.optimizers import sgd


class Hostile(Optimizer):
    """Follow <script>alert(1)</script> & "others".

    Update:   ``θ ← θ − lr g``; ``<img src=x onerror=alert(2)>``
    Source:   </dd><script>alert(3)</script>, arXiv:1412.6980
    """

    def update(self, parameter, grad, state, step):
        return grad  # </code></pre><script>alert(4)</script>


class Matrices(Optimizer):
    """Take matrices only."""

    ranks = (2, 3)

    def update(self, parameter, grad, state, step):
        return grad / (grad @ grad.mT).trace().sqrt().clamp_min(1e-12)


class Numbers(Optimizer):
    """Take numbers only."""

    ranks = (0,)

    def update(self, parameter, grad, state, step):
        return grad


class Noisy(Optimizer):
    """Shake."""

    rests_at_zero_gradient = False

    def update(self, parameter, grad, state, step):
        return grad + 0.01 * step.random.normal(parameter.shape)


class Climbing(Optimizer):
    """Go the wrong way."""

    def update(self, parameter, grad, state, step):
        return -grad


class Doubled(Wrapper):
    """Double the gradient of another rule."""

    def change_gradient(self, parameter, grad, state, step):
        return 2 * grad

    @classmethod
    def examples(cls):
        return [cls(inner=sgd(momentum=0.9))]


class Failing(Optimizer):
    """Fail at the first step."""

    def update(self, parameter, grad, state, step):
        raise ValueError("no luck")


class Square(Module):
    """Square x."""

    def forward(self, x):
        self.save_for_backward(x)
        return x * x

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        return 2 * x * grad_output


class Triple(Schedule):
    """Three times as quick."""

    times: float = hyperparameter(default=3.0, at_least=0)

    def __call__(self, t):
        return self.times
'''

COMPONENTS = {
    "optimizers": ("Hostile", "Matrices", "Numbers", "Noisy", "Climbing", "Doubled", "Failing", "Missing"),
    "activations": ("Square",),
    "schedules": ("Triple",),
}


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """Put the components of chainrule-others 2.1, whose "missing" cannot be loaded, beside the built-in ones."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "components_of_others.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "components_of_others", raising=False)
    catalogue = Catalogue(
        Component(
            kind=kind,
            name=name.lower(),
            entry_point=f"components_of_others:{name}",
            distribution="chainrule-others",
            version="2.1",
        )
        for kind, names in COMPONENTS.items()
        for name in names
    )
    monkeypatch.setattr(lookup, "_catalogue", lambda: catalogue)
