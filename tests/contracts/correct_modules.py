"""Right layers and losses of kinds that no built-in one is, each with what it declares."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import Buffer, Loss, Module, Parameter, Random, Shape, ShapeError
from chainrule.initializers import constant, uniform
from chainrule.ops import expect_shape


class BatchNorm(Module):
    """Rows depend on each other, a batch needs two, and running statistics are kept in buffers.

    Shapes:   x and y (M, N, features)
    """

    batch_independent = False
    same_in_eval = False

    def __init__(self, features: int, momentum: float = 0.1) -> None:
        self.features = features
        self.momentum = momentum
        self.running_mean = Buffer(features)
        self.running_var = Buffer(features, init=constant(1.0))
        self.num_batches_tracked = Buffer(dtype=torch.int64)

    def output_shape(self, input_shape: tuple) -> tuple:
        expect_shape(self, input_shape, (self.features,))
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            self.save_for_backward()
            mean, var = self.running_mean.data.unsqueeze(1), self.running_var.data.unsqueeze(1)
            return (x - mean) / (var + 1e-5).sqrt()
        rows = x.shape[1]
        if rows < 2:
            raise ShapeError(f"batch_norm: a batch must have at least 2 rows, got {rows}. Pass more.")
        mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
        self.running_mean.data.lerp_(mean.squeeze(1), self.momentum)
        self.running_var.data.lerp_(var.squeeze(1) * (rows / (rows - 1)), self.momentum)
        self.num_batches_tracked.data.add_(1)
        deviation = (var + 1e-5).sqrt()
        y = (x - mean) / deviation
        self.save_for_backward(y, deviation)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        y, deviation = self.saved_tensors()
        along = y * (grad_output * y).mean(1, keepdim=True)
        return (grad_output - grad_output.mean(1, keepdim=True) - along) / deviation

    @classmethod
    def examples(cls) -> list[tuple[Module, tuple[int, ...]]]:
        return [(cls(3), (3,)), (cls(4, momentum=0.5), (4,))]


class Dropout(Module):
    """A mask for each member, example and call.

    Shapes:   any
    """

    same_in_eval = False

    def __init__(self, p: float = 0.5) -> None:
        self.p = p
        self.random = Random()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            self.save_for_backward()
            return x
        mask = self.random.bernoulli(1 - self.p, x.shape[1:]).div_(1 - self.p)
        self.save_for_backward(mask)
        return x * mask

    def backward(self, grad_output: Tensor) -> Tensor:
        (mask,) = self.saved_tensors()
        return grad_output * mask

    @classmethod
    def examples(cls) -> list[tuple[Module, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(0.2), (2, 3))]


class Flatten(Module):
    """The output has another rank, and only the shape is kept.

    Shapes:   any
    """

    def output_shape(self, input_shape: tuple) -> tuple:
        return (math.prod(input_shape),) if all(isinstance(size, int) for size in input_shape) else (...,)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output.reshape(x.shape)

    @classmethod
    def examples(cls) -> list[tuple[Module, tuple[int, ...]]]:
        return [(cls(), (2, 3))]


class Exp(Module):
    """Large inputs overflow, as declared.

    Shapes:   any
    """

    finite = False

    def forward(self, x: Tensor) -> Tensor:
        y = x.exp()
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output * y


class Softmax(Module):
    """Features depend on each other, rows do not.

    Shapes:   any
    """

    def forward(self, x: Tensor) -> Tensor:
        y = x.softmax(-1)
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return y * (grad_output - (grad_output * y).sum(-1, keepdim=True))


class DetachedForward(Module):
    """Torch cannot trace it.

    Shapes:   any
    """

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.detach().sin()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output * x.cos()


class Embedding(Module):
    """Its inputs are integers, each of which picks a row of the weight.

    Shapes:   any x (M, N, …) of integers from 0 to num_embeddings − 1, weight (M, num_embeddings, embedding_dim),
              y (M, N, …, embedding_dim)
    """

    integer_inputs = True

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.weight = Parameter(num_embeddings, embedding_dim, init=uniform(), fan_in=embedding_dim, fan_out=1)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        index = x.long().flatten(1).unsqueeze(-1).expand(-1, -1, self.embedding_dim)  # (M, N …, embedding_dim)
        self.save_for_backward(index)
        try:
            return self.weight.data.gather(1, index).view(*x.shape, self.embedding_dim)  # also checks the range
        except RuntimeError as error:
            raise ShapeError(
                f"embedding: x must be from 0 to {self.num_embeddings - 1}, got {int(x.min())} to {int(x.max())}. "
                "Number the embeddings from 0."
            ) from error

    def backward(self, grad_output: Tensor) -> None:
        (index,) = self.saved_tensors()
        self.weight.grad.scatter_add_(1, index, grad_output.flatten(1, -2))

    @classmethod
    def examples(cls) -> list[tuple[Module, Tensor]]:
        return [(cls(3, 2), torch.tensor([0, 2, 1])), (cls(5, 3), torch.tensor([[0, 4], [3, 3], [1, 2]]))]


class RelativePosition(Embedding):
    """It takes every integer, negative ones too.

    Shapes:   any x (M, N, …) of integers, y (M, N, …, embedding_dim)
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.clamp(-1, 1) + 1)

    @classmethod
    def examples(cls) -> list[tuple[Module, Tensor]]:
        return [(cls(3, 2), torch.tensor([[3, -1], [1, 0]]))]


class Logarithm(Module):
    """Its inputs are positive, as its examples are.

    Shapes:   any
    """

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.log()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output / x

    @classmethod
    def examples(cls) -> list[tuple[Module, Tensor]]:
        return [(cls(), torch.tensor([[0.5, 2.0, 1.0], [3.0, 0.1, 0.7], [1.5, 1.5, 9.0]]))]


class Filled(Module):
    """A layer that fills in what is missing.

    Shapes:   any
    """

    shows_nan = False

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return 2 * x.nan_to_num(0.5, torch.inf, -torch.inf)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return 2 * grad_output.masked_fill(x.isnan(), 0.0)


class Logit(Module):
    """Its inputs are between 0 and 1, of which its examples come close.

    Shapes:   any
    """

    finite = False

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return (x / (1 - x)).log()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output / (x * (1 - x))

    @classmethod
    def examples(cls) -> list[tuple[Module, Tensor]]:
        return [(cls(), torch.tensor([[0.5, 0.999], [0.2, 0.1], [0.001, 0.9]], dtype=torch.float64))]


class BinaryCrossEntropy(Loss):
    """Predictions are one number a row, targets 0 or 1."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape or prediction.dtype != target.dtype:
            raise ShapeError(f"binary_cross_entropy: target must be as the prediction, got {tuple(target.shape)}.")
        self.save_for_backward(prediction, target)
        return prediction.clamp_min(0) - prediction * target + torch.log1p(torch.exp(-prediction.abs()))

    def gradient(self) -> Tensor:
        prediction, target = self.saved_tensors()
        return prediction.sigmoid() - target

    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        prediction = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return [(cls(), prediction, (prediction > 0.3).double())]


class Score(Loss):
    """Of either sign, as declared, with a term for each row."""

    non_negative = False

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape or prediction.dtype != target.dtype:
            raise ShapeError(f"score: target must be as the prediction, got {tuple(target.shape)}.")
        self.save_for_backward(target)
        return -(prediction * target).sum(-1)

    def gradient(self) -> Tensor:
        (target,) = self.saved_tensors()
        return -target


class ErrorSpread(Loss):
    """Terms depend on all rows: the squared distance of each error from their mean over the batch."""

    batch_independent = False

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape or prediction.dtype != target.dtype:
            raise ShapeError(f"error_spread: target must be as the prediction, got {tuple(target.shape)}.")
        error = prediction - target
        spread = error - error.sum(1, keepdim=True) / max(1, error.shape[1])
        self.save_for_backward(spread)
        return spread.square()

    def gradient(self) -> Tensor:
        (spread,) = self.saved_tensors()
        return 2 * spread  # Σ spread = 0, so that the mean adds nothing


class WeightedCrossEntropy(Loss):
    """Cross-entropy with a weight for each class, and without the targets of one index.

    Forward:  ``ℓₙ = −w(yₙ) log qₙ(yₙ)`` with ``q = softmax(logits)`` and w = 0 at ignore_index; with reduction="mean"
              ``L = Σ ℓ / Σ w(y)``
    Backward: ``dlogitsₙ = w(yₙ) (qₙ − onehot(yₙ))``, divided alike
    Shapes:   logits (N, C) or (N, T, C), target class indices (N,) or (N, T), with M in front for an ensemble
    Raises:   ShapeError if the target has another shape, dtype, or another index.
    """

    def __init__(
        self, reduction: str = "mean", *, weight: tuple[float, ...], ignore_index: int = -100, members: bool = False
    ) -> None:
        super().__init__(reduction, members=members)
        self.weight, self.ignore_index = tuple(weight), ignore_index

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if target.dtype != torch.int64 or target.shape != prediction.shape[:-1]:
            raise ShapeError(f"weighted_cross_entropy: target must be classes, got {tuple(target.shape[1:])}.")
        log_probabilities = prediction.log_softmax(-1)
        index = target.masked_fill(target == self.ignore_index, 0).unsqueeze(-1)
        try:
            terms = log_probabilities.gather(-1, index).squeeze(-1)
        except RuntimeError as error:
            raise ShapeError(f"weighted_cross_entropy: a class is beyond {len(self.weight) - 1}.") from error
        weights = self.weights(prediction, target)
        self.save_for_backward(log_probabilities, index, weights)
        return -weights * terms

    def gradient(self) -> Tensor:
        log_probabilities, index, weights = self.saved_tensors()
        return (
            log_probabilities.exp()
            .scatter_add(-1, index, -torch.ones_like(index, dtype=weights.dtype))
            .mul_(weights.unsqueeze(-1))
        )

    def denominator(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.weights(prediction, target).flatten(1).sum(1)

    def weights(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the weight of each target, in its shape."""
        ignored = target == self.ignore_index
        return prediction.new_tensor(self.weight)[target.masked_fill(ignored, 0)].masked_fill(ignored, 0.0)

    def __repr__(self) -> str:
        return (
            f"WeightedCrossEntropy({self.reduction!r}, weight={self.weight}, ignore_index={self.ignore_index}, "
            f"members={self.members})"
        )

    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(5, 2, 3, generator=generator, dtype=torch.float64)
        classes = torch.tensor([[0, -100], [1, 2], [-100, -100], [2, 2], [1, 0]])
        loss = cls(weight=(0.5, 2.0, 1.25))
        return [(loss, logits, classes), (loss, logits[:, 0], classes[:, 0])]


COMPONENTS = [
    BatchNorm,
    Dropout,
    Flatten,
    Exp,
    Softmax,
    DetachedForward,
    Embedding,
    RelativePosition,
    Logarithm,
    BinaryCrossEntropy,
    Score,
    ErrorSpread,
    WeightedCrossEntropy,
]
