"""`Network`: a built module with its flat buffers; it adds the member axis to inputs and removes it from outputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NoReturn

import torch
from torch import Tensor

from chainrule.arguments import flag, integer, shown
from chainrule.base.ensemble_outputs import mark
from chainrule.base.input_tensors import expect_dense, expect_input
from chainrule.base.member_rows import rows_of
from chainrule.base.protocols import ModuleLike
from chainrule.base.saved_tensors import KeepsForBackward
from chainrule.building import (
    allocate_buffers,
    checked_device,
    checked_dtype,
    checked_seeds,
    expect_all_found,
    initialize_parameters,
    start_streams,
    unbound_on_failure,
)
from chainrule.calls import explained
from chainrule.errors import ArgumentError, ChainruleError, ContractError, ShapeError, label
from chainrule.flat_buffers import FlatBuffers
from chainrule.inspection import expect_declared_shapes, of_other_rows, summary
from chainrule.network_parts import NetworkParts
from chainrule.ops import expect_module, expect_tensor, shape_after
from chainrule.shared_modules import ask_for_input_grads, begin_call, expect_no_values, expect_own_call
from chainrule.watched_pass import WATCHED_CALLS, Forms, watched


class Network(NetworkParts):
    """A built module whose parameters are views of two flat buffers: one model, or an ensemble of M.

    Created by `Module.build`. It serves one thread at a time: a call keeps what backward needs, and `evaluate` switches
    it to eval mode meanwhile; give each thread a copy.

    Attributes:
        module: the module, which sees the member axis.
        seeds: one seed per member.
        is_ensemble: whether outputs have the member axis.
        flat: the two buffers.
        frozen: the names of the parameters that no updater changes.
    """

    _use: ClassVar[str] = "Its input is one tensor."

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("to", "cpu", "cuda", "float", "double"),
            'Build another with build(device="cuda", dtype=torch.float64), and load the state_dict of this one.',
        ),
        "half": "Lower precision is not supported.",
        **dict.fromkeys(("forward", "predict"), "Call it: network.eval()(x), or in training network(x)."),
        "fit": "Write chainrule.fit(network, loss, optimizer, train=(x, y)).",
        "step": "The updater has it: updater = optimizer.attach(network), updater.step().",
        "evaluate": "Write chainrule.evaluate(network, loss, (x, y)).",
        "save": "Write torch.save(network.state_dict(), path).",
        "load": "Write network.load_state_dict(torch.load(path)).",
        **dict.fromkeys(("clone", "copy"), "Write copy.deepcopy(network)."),
        "compile": "Write chainrule.fit(…, compile=True).",
        "build": "It is built; a module is what build() is called on.",
        "seed": "A single network's is network.seeds[0].",
        "requires_grad_": 'Keep parameters out of training with network.freeze("*.bias").',
        "buffers": "Write network.named_buffers().",
        "grad": "All gradients are in network.flat.grad, one parameter's in its own grad.",
        **dict.fromkeys(("draw", "plot", "show"), "A notebook draws it, and so does chainrule draw FILE.py:NAME."),
        **dict.fromkeys(("append", "add"), "Its layers are given before build: sequential(linear(2, 8), relu())."),
        **dict.fromkeys(("layers", "children", "named_modules", "apply"), "Write network.modules()."),
        **dict.fromkeys(("weight", "bias"), "The layers are in network.module, the parameters in named_parameters()."),
    }

    _output_shape: torch.Size | None = None
    """That of the last call in train mode."""

    _watched_forms: Forms | None = None
    """What the modules took in the last call in train mode, None where its backward is not watched."""

    awaits_backward: bool = False
    """Whether there was a call in train mode since the last backward."""

    went_backward: bool = False
    """Whether there was a backward since the last step of an updater, or since the gradients were set to zero."""

    @explained
    def __init__(
        self,
        module: ModuleLike,
        *,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        members: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        expect_module("network", "module", module)
        self.is_ensemble = seeds is not None or members is not None
        self._seeds = checked_seeds(seed, seeds, members)
        self.module = module
        self._look_inside()
        streams = self._named_streams.values()
        expect_all_found(self._modules, [*self.parameters(), *self._named_buffers.values(), *streams])
        if built := [name for name, parameter in self._named_parameters.items() if parameter.is_built]:
            raise ChainruleError(
                f'{label(module)}: must not be built twice, got one whose "{built[0]}" is built. '
                "Declare that module anew, or copy the network."
            )
        expect_no_values(self._modules)
        shape_after(module, (...,))
        dtype = checked_dtype(dtype)
        device = checked_device(device)
        with unbound_on_failure(self.parameters()):
            self.flat = FlatBuffers(self.parameters(), self.members, dtype, device)
            initialize_parameters(self._named_parameters, self.seeds)
            allocate_buffers(self._named_buffers, self.seeds, dtype, device)
            start_streams(self._named_streams, self.seeds, dtype, device)
        self._device_type = device.type
        self._claim_modules()

    @explained
    @torch.no_grad()
    def __call__(self, x: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the output for a batch; to predict, of a network in eval mode: ``network.eval()(x)``.

        In train mode, that of a new network and of one after training, a call keeps tensors for backward, draws
        dropout and updates running statistics.

        Shapes: x (N, …), result (N, …); for an ensemble x (N, …), shared, or with per_member=True (M, N, …), result
        (M, N, …)

        Raises:
            ShapeError: if x has another dtype or number of members than the network, or does not fit its layers.
            ContractError: if the module returns anything but one tensor.
        """
        x = self.with_member_axis(x, per_member=per_member)
        self.check_input(x)
        forms: Forms | None = {} if self.training and self._watched_calls < WATCHED_CALLS else None
        if self.shared:
            begin_call(self)
        try:
            if forms is None:
                y = self.module.forward(x)
            else:
                with watched(self._modules, x, forms):
                    y = self.module.forward(x)
        except (RuntimeError, NotImplementedError, ShapeError) as error:
            expect_dense("network", "x", x, self.device)
            expect_declared_shapes(self.module, x, error)
            raise
        expect_tensor(self.module, y)
        if forms is not None and y.shape[:1] != x.shape[:1]:
            wrong = ContractError(of_other_rows(self.module, x, y))
            expect_declared_shapes(self.module, x, wrong)  # which names the layer inside
            raise wrong
        output = y if self.is_ensemble else y[0]
        if self.members > 1:
            output = y.view(y.shape) if y is x else y  # x is the caller's, who may use it as another model's output
            mark(output, of_ensemble=True)
        elif not self.is_ensemble:
            mark(output, of_ensemble=False)
        own = self.__dict__  # setting attributes would take longer
        own["_output_shape"] = output.shape if self.training else None
        own["awaits_backward"] = self.training
        own["_watched_forms"] = forms
        if forms is not None:
            own["_watched_calls"] += 1
        return output

    @explained
    @torch.no_grad()
    def backward(self, grad_output: Tensor, *, input_grad: bool = False) -> Tensor | None:
        """Add to every parameter's grad; return dL/dx with input_grad=True, else None; None for integers.

        Shapes: grad_output as the output of the last call; dL/dx as its x, for an ensemble always (M, N, …)

        Raises:
            BackwardError: if there was no call in train mode before, or another network has called a module since.
            ShapeError: if grad_output has another shape than the output.
            ChainruleError: within torch.autocast.
        """
        self.expect_no_autocast()
        if self.shared:
            expect_own_call(self)
        own = self.__dict__
        own["awaits_backward"], own["went_backward"] = False, True
        shape = getattr(grad_output, "shape", None)
        if shape != self._output_shape and self._output_shape is not None:
            expect_input("network", "grad_output", grad_output, self.dtype)
            raise ShapeError(
                f"network: grad_output must have the output's shape {tuple(self._output_shape)}, "
                f"got {tuple(grad_output.shape)}. Pass what loss.backward() returns."
            )
        if self.module.needs_input_grad != input_grad:
            self.module.needs_input_grad = input_grad
        try:
            if not self.is_ensemble:
                grad_output = grad_output.unsqueeze(0)
            if self._watched_forms is None:
                grad = self.module.backward(grad_output)
            else:
                with watched(self._modules, None, self._watched_forms):
                    grad = self.module.backward(grad_output)
                own["_watched_forms"], own["_watched_calls"] = None, WATCHED_CALLS
        except (AttributeError, RuntimeError, NotImplementedError) as error:
            if isinstance(error, ChainruleError):
                raise
            expect_input("network", "grad_output", grad_output, self.dtype)
            expect_dense("network", "grad_output", grad_output, self.device)
            if grad_output.dtype != self.dtype:
                raise ShapeError(
                    f"network: grad_output must have dtype {self.dtype}, got {grad_output.dtype}. "
                    "Pass what loss.backward() returns."
                ) from error
            raise
        if grad is None or not input_grad:
            return None
        return grad if self.is_ensemble else grad[0]

    def with_member_axis(self, x: Tensor, *, per_member: bool = False) -> Tensor:
        """Return x as (M, N, …), as the module takes it, without a copy.

        Shapes: x (N, …), with per_member=True (M, N, …)

        Raises:
            ShapeError: for per_member=True on a single network, or another number of members.
        """
        if not per_member:
            try:
                return x.expand(self.members, *x.shape) if self.is_ensemble else x.unsqueeze(0)
            except (AttributeError, RuntimeError, NotImplementedError):
                expect_input("network", "x", x, self._input_dtype)
                expect_dense("network", "x", x, self.device)
                raise
        expect_input("network", "x", x, self._input_dtype)
        if not self.is_ensemble or x.shape[:1] != (self.members,):
            built = f"an ensemble of {self.members}" if self.is_ensemble else "a single network"
            raise ShapeError(
                f"network: per_member=True needs x (M, N, …) and an ensemble of M, got {tuple(x.shape)} "
                f"for {built}. Leave per_member out for inputs that all members share."
            )
        return x

    @property
    def _input_dtype(self) -> torch.dtype:
        return torch.int64 if getattr(self.module, "integer_inputs", False) else self.dtype

    def check_input(self, x: Tensor) -> None:
        """Check x (M, N, …) against the layers' rules, once for each new shape, dtype and device.

        Raises:
            ShapeError: if x does not fit.
            ChainruleError: within torch.autocast.
        """
        self.expect_no_autocast()
        form = (x.shape[2:], x.dtype, x.device)
        if KeepsForBackward.replacements != self._replacements:
            self.expect_same_parts()  # which forgets the shapes that fitted the settings so far
        if form in self._known_inputs:
            return
        expect_dense("network", "x", x, self.device)
        takes_integers = getattr(self.module, "integer_inputs", not x.is_floating_point())
        if takes_integers == x.is_floating_point():
            wanted = "integers" if takes_integers else f"dtype {self.dtype}"
            raise ShapeError(
                f"network: x must have {wanted}, got {x.dtype}. Convert it with "
                f"x.{'long()' if takes_integers else 'to(network.dtype)'}."
            )
        if x.is_floating_point() and x.dtype != self.dtype:
            raise ShapeError(
                f"network: x must have dtype {self.dtype}, got {x.dtype}. Convert it with x.to(network.dtype)."
            )
        shape_after(self.module, tuple(x.shape[2:]))
        self._known_inputs[form] = None

    def expect_no_autocast(self) -> None:
        """Raise ChainruleError within torch.autocast, which would compute products in another dtype."""
        if torch.is_autocast_enabled(self._device_type):
            raise ChainruleError(
                f"network: must run in {self.dtype}, got torch.autocast for {self._device_type}. "
                f'Leave its block, or write torch.autocast("{self._device_type}", enabled=False) around the call.'
            )

    if not TYPE_CHECKING:  # type checkers refuse an index by themselves

        def __getitem__(self, index: object) -> NoReturn:
            """Raise ArgumentError, which names what has the layers and the members."""
            raise ArgumentError(
                f"network: takes no index, got {shown(index)}. The layers are network.modules(), a member "
                "of an ensemble is network.member(0)."
            )

    @explained
    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        self.flat.grad.zero_()
        self.__dict__["went_backward"] = False

    @explained
    def train(self, mode: bool = True) -> Network:
        """Switch to train mode, or with False to eval mode; return the network."""
        mode = flag("train", "mode", mode)
        if KeepsForBackward.replacements != self._replacements:
            self.expect_same_parts()
        for module in self._modules:
            if module.training is not mode:  # quicker to look at than to set
                module.training = mode
        if self.shared:
            ask_for_input_grads(self)  # in the steps of a fit, which calls the module itself
        return self

    @explained
    def eval(self) -> Network:
        """Switch to eval mode, in which nothing is saved for backward; return the network."""
        return self.train(False)

    @explained
    def member(self, i: int) -> Network:
        """Return a single network with copies of all that member i has, its gradients at 0; -1 is the last member.

        Raises:
            ChainruleError: if there is no such member.
        """
        i = integer("network", "member", i)
        if not -self.members <= i < self.members:
            raise ChainruleError(
                f"network: member must be from {-self.members} to {self.members - 1}, got {i}. It has {self.members}."
            )
        single = copy.deepcopy(self)
        single.bind_members([self.seeds[i]], rows_of(self.member_tensors(), [i]))
        single.zero_grad()
        vars(single)["is_ensemble"] = False
        return single

    @property
    def known_inputs(self) -> list[tuple[torch.Size, torch.dtype]]:
        """The shapes of one input, and their dtypes, that the network was called with."""
        return [form[:2] for form in self._known_inputs]

    @explained
    def summary(self, input_shape: Sequence[int] | None = None) -> str:
        """Return a table, as text, of the modules with their output shapes and parameters.

        Args:
            input_shape: the shape of one input; that of the first call, or what the layers tell of it, if not given.

        Raises:
            ShapeError: if the input does not fit.
        """
        if input_shape is None:
            return summary(self, None)
        if not isinstance(input_shape, Sequence) or isinstance(input_shape, str):
            raise ShapeError(
                f"summary: input_shape must be sizes without the batch, got {shown(input_shape)}. "
                "Pass (3,), or x.shape[1:]."
            )
        return summary(self, tuple(integer("summary", "every size", size, error=ShapeError) for size in input_shape))

    def _repr_html_(self) -> str:
        from chainrule.drawing import picture_in_a_notebook

        return picture_in_a_notebook(self)

    def __repr__(self) -> str:
        built = f"seeds={self.seeds}" if self.is_ensemble else f"seed={self.seeds[0]}"
        return f"Network({self.module!r}, {built})"
