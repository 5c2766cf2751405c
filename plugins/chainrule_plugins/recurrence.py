"""What recurrent layers share: parameters by layer and direction, the way through these, and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from chainrule import HyperparameterError, Module, Parameter, Random, Shape, ShapeError, label
from chainrule.initializers import uniform
from chainrule.ops import affine_backward, expect_flag, expect_number, expect_shape, expect_size, expect_word
from chainrule_plugins.dropout import scaled_mask

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Cell(NamedTuple):
    """The parameters of one layer in one direction, G gates of H units each, and the order of its steps.

    Shapes: weight_ih (G H, in), weight_hh (G H, H), bias_ih and bias_hh (G H); sequences (M, N, T, …), steps (M, N, …)
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None
    reverse: bool

    def affine(self, x: Tensor) -> Tensor:
        """Return ``x W_ihᵀ + b_ih + b_hh`` (M, N, T, G H), all that a step needs but the state's product."""
        rows = x.flatten(1, 2)
        if self.bias_ih is None or self.bias_hh is None:
            a = torch.bmm(rows, self.weight_ih.transposed)
        else:
            a = torch.baddbmm(self.bias_ih.row + self.bias_hh.row, rows, self.weight_ih.transposed)
        return a.view(*x.shape[:-1], self.weight_ih.shape[0])

    def steps(self, sequence: Tensor) -> tuple[Tensor, ...]:
        """Return the steps of a sequence in the order in which they are taken."""
        steps = sequence.unbind(2)
        return steps[::-1] if self.reverse else steps

    def sequence(self, steps: Sequence[Tensor]) -> Tensor:
        """Return the sequence of which these are the steps."""
        return torch.stack(tuple(steps[::-1] if self.reverse else steps), 2)

    def previous(self, sequence: Tensor) -> Tensor:
        """Return at each step the value of the step before, zeros at the first."""
        zeros = torch.zeros_like(sequence[:, :, :1])
        parts = [sequence[:, :, 1:], zeros] if self.reverse else [zeros, sequence[:, :, :-1]]
        return torch.cat(parts, 2)

    def first_state(self, sequence: Tensor) -> Tensor:
        """Return the zeros (M, N, H) from which the first step starts."""
        return sequence.new_zeros(*sequence.shape[:2], self.weight_hh.shape[1])


class Recurrence(Module):
    """Parent of layers that go through a sequence step by step, layer upon layer, forward in time or both ways.

    Parameters and their order are those of torch, ``weight_ih_l0`` to ``bias_hh_l1_reverse``.
    """

    gates: ClassVar[int]
    """The number of gates G, whose affine maps are computed together."""

    kept: ClassVar[int]
    """The number of sequences that `unroll` keeps for backward, beside h."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        *,
        dropout: float = 0.0,
        bidirectional: bool = False,
        output: str = "sequence",
    ) -> None:
        self.input_size = expect_size(self, "input_size", input_size)
        self.hidden_size = expect_size(self, "hidden_size", hidden_size)
        self.num_layers = expect_size(self, "num_layers", num_layers)
        self.bias = expect_flag(self, "bias", bias)
        self.dropout = expect_number(self, "dropout", dropout, at_least=0, at_most=1)
        if self.dropout and self.num_layers == 1:
            raise HyperparameterError(
                f"{label(self)}: dropout must be 0 with num_layers=1, got {self.dropout}. It acts between layers."
            )
        self.bidirectional = expect_flag(self, "bidirectional", bidirectional)
        self.output = expect_word(self, "output", output, ("sequence", "last"))
        self.random = Random() if self.dropout else None
        for layer in range(self.num_layers):
            for suffix in self._suffixes:
                self._declare(f"l{layer}{suffix}", self._width if layer else self.input_size)

    def _declare(self, suffix: str, in_features: int) -> None:
        units, fans = self.gates * self.hidden_size, {"fan_in": self.hidden_size, "fan_out": self.hidden_size}
        shapes = [(units, in_features), (units, self.hidden_size), (units,), (units,)]
        for name, shape in zip(PARAMETERS, shapes, strict=True):
            if self.bias or "bias" not in name:  # all within 1/√hidden_size at first, as in torch
                setattr(self, f"{name}_{suffix}", Parameter(*shape, init=uniform(), **fans))

    @property
    def same_in_eval(self) -> bool:  # type: ignore[override]  # by the setting of dropout
        return not self.dropout

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _width(self) -> int:
        return self.hidden_size * len(self._suffixes)

    def _cells(self, layer: int) -> Iterator[tuple[Cell, slice]]:
        """Yield the cell of each direction of a layer, with its part of the layer's output."""
        for number, suffix in enumerate(self._suffixes):
            parameters = [vars(self).get(f"{name}_l{layer}{suffix}") for name in PARAMETERS]
            part = slice(number * self.hidden_size, (number + 1) * self.hidden_size)
            yield Cell._make([*parameters, bool(suffix)]), part

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (None, self.input_size))
        steps = (None, *input_shape)[-2]
        if steps == 0:
            raise ShapeError(f"{label(self)}: a sequence must have at least 1 step, got 0. Leave empty ones out.")
        if self.output == "last":
            return (self._width,)
        return (steps if isinstance(steps, int) else None, self._width)

    @abstractmethod
    def unroll(self, x: Tensor, cell: Cell) -> tuple[Tensor, ...]:
        """Return h (M, N, T, H) for a layer's input x (M, N, T, in), and what `unroll_backward` needs beside it."""

    @abstractmethod
    def unroll_backward(self, grad: Tensor, h: Tensor, kept: Sequence[Tensor], cell: Cell) -> tuple[Tensor, Tensor]:
        """Return the gradients of the affine maps of x and of the state before, each (M, N, T, G H), for dL/dh."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4:  # after a module without a rule
            self.output_shape(x.shape[2:])
        saved = [x]
        for layer in range(self.num_layers):
            if layer and self.random is not None and self.training:
                mask = scaled_mask(self.random, self.dropout, x.shape[1:])
                saved.append(mask)
                x = x * mask
            results = [self.unroll(x, cell) for cell, _ in self._cells(layer)]
            x = results[0][0] if len(results) == 1 else torch.cat([h for h, *_ in results], -1)
            saved += [*(tensor for _, *kept in results for tensor in kept), x]
        self.save_for_backward(*saved)
        return x if self.output == "sequence" else self._last(x)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        saved = list(self.saved_tensors())
        grad = grad_output if self.output == "sequence" else self._last_backward(grad_output, saved[0])
        for layer in reversed(range(self.num_layers)):
            h = saved.pop()
            kept = [saved.pop() for _ in range(self.kept * len(self._suffixes))][::-1]
            mask = saved.pop() if layer and self.random is not None else None
            x = saved[-1] if mask is None else saved[-1] * mask
            dx = self._layer_backward(layer, grad, x, h, kept)
            if dx is None:
                return None
            grad = dx if mask is None else dx * mask
        return grad

    def _layer_backward(self, layer: int, grad: Tensor, x: Tensor, h: Tensor, kept: list[Tensor]) -> Tensor | None:
        """Accumulate the gradients of a layer with input x and output h; return dL/dx, None where it is not needed."""
        total = None
        for number, (cell, part) in enumerate(self._cells(layer)):
            own = kept[number * self.kept : (number + 1) * self.kept]
            da_x, da_h = self.unroll_backward(grad[..., part], h[..., part], own, cell)
            affine_backward(cell.previous(h[..., part]), cell.weight_hh, cell.bias_hh, da_h, input_grad=False)
            input_grad = layer > 0 or self.needs_input_grad
            dx = affine_backward(x, cell.weight_ih, cell.bias_ih, da_x, input_grad=input_grad)
            total = dx if dx is None or total is None else total + dx
        return total

    def _last(self, h: Tensor) -> Tensor:
        """Return the state after the last step of each direction, (M, N, directions H)."""
        forward, backward = h[:, :, -1, : self.hidden_size], h[:, :, 0, self.hidden_size :]
        return torch.cat([forward, backward], -1)

    def _last_backward(self, grad: Tensor, x: Tensor) -> Tensor:
        """Return dL/dh (M, N, T, directions H) for the gradient of `_last`."""
        whole = grad.new_zeros(*x.shape[:3], self._width)
        whole[:, :, -1, : self.hidden_size] = grad[..., : self.hidden_size]
        whole[:, :, 0, self.hidden_size :] = grad[..., self.hidden_size :]
        return whole
