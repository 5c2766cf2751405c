"""Wrong layers of integers: in gradients of indices that occur twice, in members, in the range and kind of inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module, ShapeError
from chainrule_plugins.activations.tanh import Tanh
from tests.contracts.correct_modules import Embedding

from . import collect

MUTANTS, wrong = collect("layers")


def members_and(index: Tensor) -> tuple[Tensor, Tensor]:
    """Return the member and the index of each row, both (M, N …)."""
    return torch.arange(len(index)).unsqueeze(1).expand_as(index), index


class ByIndexing(Embedding):
    """A right layer but for its range, on which more mutants are built: ``weight[member, x]``."""

    def rows(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return members_and(x.long().flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.rows(x)
        self.save_for_backward(*rows)
        try:
            return self.weight.data[rows].view(*x.shape, self.embedding_dim)
        except IndexError as error:
            raise ShapeError(f"embedding: x must be below {self.num_embeddings}, got {int(x.max())}.") from error

    def backward(self, grad_output: Tensor) -> None:
        rows = self.saved_tensors()
        self.weight.grad.index_put_(rows, grad_output.flatten(1, -2), accumulate=True)


@wrong("parameter_gradients_agree_with_differences")
class LastOccurrenceAlone(ByIndexing):
    def backward(self, grad_output: Tensor) -> None:
        rows = self.saved_tensors()
        self.weight.grad[rows] += grad_output.flatten(1, -2)


@wrong("parameter_gradients_accumulate")
class OverwritesTheRows(Embedding):
    def backward(self, grad_output: Tensor) -> None:
        self.weight.grad.zero_()
        super().backward(grad_output)


@wrong("parameter_gradients_agree_with_differences")
class GradientOfTheFirstMember(ByIndexing):
    def backward(self, grad_output: Tensor) -> None:
        members, index = self.saved_tensors()
        self.weight.grad.index_put_((members * 0, index), grad_output.flatten(1, -2), accumulate=True)


@wrong("members_do_not_influence_each_other")
class RowsOfTheFirstMember(ByIndexing):
    def rows(self, x: Tensor) -> tuple[Tensor, Tensor]:
        members, index = super().rows(x)
        return members * 0, index


@wrong("members_do_not_influence_each_other")
class IndicesOfTheFirstMember(Embedding):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:1].expand_as(x))


@wrong("rows_do_not_influence_each_other")
class Sorted(Embedding):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.sort(1).values)


@wrong("changes_before_backward_are_noticed")
class IndicesKeptUnguarded(ByIndexing):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        self.save_for_backward()
        self.index = x
        return y

    def backward(self, grad_output: Tensor) -> None:
        self.saved_tensors()
        rows = members_and(self.index.flatten(1))
        self.weight.grad.index_put_(rows, grad_output.flatten(1, -2), accumulate=True)


@wrong("input_gradient_agrees_with_differences")
class GradientForIntegers(Embedding):
    def backward(self, grad_output: Tensor) -> Tensor:  # type: ignore[override]
        super().backward(grad_output)
        return grad_output.sum(-1)


@wrong("wrong_integers_raise")
class RangeLeftToTorch(Embedding):
    def forward(self, x: Tensor) -> Tensor:
        index = x.flatten(1).unsqueeze(-1).expand(-1, -1, self.embedding_dim)
        self.save_for_backward(index)
        return self.weight.data.gather(1, index).view(*x.shape, self.embedding_dim)


@wrong("wrong_integers_raise")
class LastRowForMinusOne(ByIndexing):
    pass


@wrong("wrong_integers_raise")
class RowsOfTheNextMember(Embedding):
    def forward(self, x: Tensor) -> Tensor:
        offset = self.num_embeddings * torch.arange(len(x)).view(-1, *[1] * (x.dim() - 1))
        super().forward(x.clamp(0, self.num_embeddings - 1))
        try:
            rows = self.weight.data.flatten(0, 1).index_select(0, (x + offset).flatten())
        except (IndexError, RuntimeError) as error:
            raise ShapeError(f"embedding: x must be below {self.num_embeddings}, got {int(x.max())}.") from error
        return rows.view(*x.shape, self.embedding_dim)


@wrong("integer_inputs_is_as_declared")
class IndicesDeclaredAsFloats(Embedding):
    integer_inputs = False


@wrong("integer_inputs_is_as_declared")
class FloatsDeclaredAsIntegers(Tanh):
    integer_inputs = True

    @classmethod
    def examples(cls) -> list[tuple[Module, Tensor]]:
        return [(cls(), torch.tensor([[0.5, -0.5], [1.0, 2.0]]))]
