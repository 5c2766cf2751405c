"""Cautious updates."""

from __future__ import annotations

from torch import Tensor

from chainrule import Optimizer, State, Step, Wrapper


class Cautious(Wrapper):
    """Leave out the elements of another rule's step that the present gradient speaks against, and lengthen the rest.

    Update:   with the inner rule's direction d: ``φ = [d g > 0]``; ``θ ← θ − lr d φ / max(mean φ, 10⁻³)``
    Variant:  the authors' code: the mean is taken over each parameter, with that bound; decoupled weight decay is not
              masked. The paper divides by ``(Σ φ + 1) / n``
    Source:   Liang et al. 2024, arXiv:2411.16085, Algorithm 1
    """

    def change_direction(self, parameter: Tensor, grad: Tensor, direction: Tensor, state: State, step: Step) -> Tensor:
        agrees = (direction * grad > 0).to(grad.dtype)
        return direction * (agrees / agrees.mean().clamp_min(1e-3))

    @classmethod
    def examples(cls) -> list[Optimizer]:
        from chainrule.optimizers import sgd  # looked up when needed; it may be disabled

        return [cls(inner=sgd(momentum=0.9)), cls(inner=sgd(momentum=0.5, weight_decay=0.01))]
