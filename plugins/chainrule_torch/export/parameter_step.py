"""The lines by which the file takes a step of the rule for one parameter."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule_torch.export.rule_class import RuleClass
from chainrule_torch.export.text import deeper


@dataclass(frozen=True)
class Layer:
    """A rule or a wrapper in the file.

    Attributes:
        variable: the name of its instance.
        settings: the key of each of its fields.
    """

    rule: RuleClass
    variable: str
    settings: dict[str, str]


class ParameterStep:
    """Writes the step of a parameter by the layers of a rule, the outermost first.

    Args:
        layers: the wrappers, and the rule inside them.
        decay: how weight decay acts: "beside" the rule, by its "descend", or otherwise.
        ascends: whether `maximize` acts beside the rule.
        draws: whether a layer draws random numbers.
        shares_memory: whether an initial state may be the parameter itself.

    Attributes:
        inner: the rule inside.
        sums: the layers that sum over parameters.
        is_wrapped: whether there are several.
    """

    def __init__(self, layers: list[Layer], *, decay: str, ascends: bool, draws: bool, shares_memory: bool) -> None:
        self.layers, self.decay, self.draws, self.shares_memory = layers, decay, draws, shares_memory
        self._ascends = ascends
        self.inner = layers[-1]
        self.sums = [layer for layer in layers if layer.rule.has("reduce")]
        self.is_wrapped = len(layers) > 1
        self._periods = [layer for layer in layers if layer.rule.has("inner_period")]

    def states(self) -> list[str]:
        return list(dict.fromkeys(self.state_of(layer) for layer in self.layers))

    def state_of(self, layer: Layer) -> str:
        return "state" if layer is self.layers[0] or not layer.rule.has("init") else f"{layer.variable}_state"

    def step_of(self, layer: Layer) -> str:
        apart = self.is_wrapped and (self._differ or self._periods)
        return f"{layer.variable}_step" if apart else "step"

    @property
    def _differ(self) -> bool:
        return self.draws or any(layer.rule.has("scalars") or layer.rule.has("reduce") for layer in self.layers)

    def begin(self) -> list[str]:
        """Return the lines that prepare a parameter's step, up to the gradient's first change."""
        initial = []
        for depth, layer in enumerate(self.layers):
            if not layer.rule.has("init"):
                continue
            made = f"{layer.variable}.init(parameter)"
            if depth:
                named = f'f"{"inner." * depth}{{name}}"'
                made = f"{{{named}: entry for name, entry in {made}.items()}}"
            initial.append(made)
        lines = [
            'grad = -parameter.grad if group["maximize"] else parameter.grad'
            if self._ascends
            else "grad = parameter.grad",
            "state = self.state[parameter]",
            'if "step" not in state:',
            '    state["step"] = torch.tensor(0.0, dtype=torch.float32)',
            *(f"    state.update({each})" for each in initial),
        ]
        if self.shares_memory:
            lines.append(
                '    state.update({name: entry.clone() for name, entry in state.items() if name != "random_key"})'
            )
        above = "state"
        for depth, layer in enumerate(self.layers):
            if depth and any(each.rule.has("init") for each in self.layers[depth:]):
                name = f"{layer.variable}_state"
                lines.append(f"{name} = inside({above})")
                above = name
        lines += ['state["step"] += 1', 't = int(state["step"])']
        if self.decay == "beside":
            lines += [
                'if group["weight_decay"]:',
                f'    parameter.mul_(1 - {self.inner.variable}.lr * group["weight_decay"])',
            ]
        return lines + self._steps_from(0) + self._change_gradient(0)

    def _steps_from(self, first: int) -> list[str]:
        """Return the lines that make the steps of layers, up to the first that steps less often than those around."""
        lines = []
        for depth, layer in enumerate(self.layers[first:], first):
            name = self.step_of(layer)
            if depth == 0 or name != "step":  # the one that all layers share
                lines.append(f"{name} = {self._step_made(layer, depth)}")
            if layer in self._periods:
                break
        return lines

    def _step_made(self, layer: Layer, depth: int) -> str:
        arguments = ["t", f"{self.inner.variable}.lr"]
        if self.has_values:
            scalars = f"{layer.variable}.scalars(t)" if layer.rule.has("scalars") else "{}"
            arguments.append(f"dict({scalars})" if self.sums and layer.rule.has("scalars") else scalars)
        if self.draws:
            place = len(self.layers) - 1 - depth
            arguments.append(f'Random(state["random_key"], t, parameter{f", {place}" if place else ""})')
        return f"Step({', '.join(arguments)})"

    @property
    def has_values(self) -> bool:
        """Whether a layer has scalars or sums."""
        return any(layer.rule.has("scalars") or layer.rule.has("reduce") for layer in self.layers)

    def _change_gradient(self, first: int) -> list[str]:
        lines = []
        for layer in self.layers[first:]:
            if layer.rule.has("change_gradient"):
                arguments = f"parameter, grad, {self.state_of(layer)}, {self.step_of(layer)}"
                lines.append(f"grad = {layer.variable}.change_gradient({arguments})")
            if layer in self._periods:
                break
        return lines

    def finish(self, first: int = 0) -> list[str]:
        """Return the lines that take the step of the layers from one on, and what comes after it."""
        periodic = next((i for i, layer in enumerate(self.layers[first:], first) if layer in self._periods), None)
        if periodic is None:
            lines, last = self._descent(), len(self.layers)
        else:
            layer, last = self.layers[periodic], periodic + 1
            lines = [
                f"if t % {layer.variable}.inner_period() == 0:  # the steps of the rule inside, which counts its own",
                f"    t //= {layer.variable}.inner_period()",
                *deeper(self._steps_from(last)),
                *deeper(self._change_gradient(last)),
                *deeper(self.finish(last)),
            ]
        for layer in reversed(self.layers[first:last]):
            if layer.rule.has("after_step"):
                arguments = f"parameter, {self.state_of(layer)}, {self.step_of(layer)}"
                lines.append(f"{layer.variable}.after_step({arguments})")
        return lines

    def _descent(self) -> list[str]:
        """Return the lines by which the innermost rule changes the parameter."""
        inner = self.inner
        arguments = f"parameter, grad, {self.state_of(inner)}, {self.step_of(inner)}"
        if inner.rule.has("apply"):
            return [f"{inner.variable}.apply({arguments})"]
        lines = [f"direction = {inner.variable}.update({arguments})"]
        for layer in reversed(self.layers[:-1]):
            if layer.rule.has("change_direction"):
                own = f"parameter, grad, direction, {self.state_of(layer)}, {self.step_of(layer)}"
                lines.append(f"direction = {layer.variable}.change_direction({own})")
        rate = f"{inner.variable}.lr"
        if self.decay == "descend":
            lines += [
                f"if {inner.variable}.weight_decay:",
                f"    parameter.mul_(1 - {rate} * {inner.variable}.weight_decay)",
            ]
        return [*lines, f"parameter.sub_(direction, alpha={rate})"]

    @property
    def splits_state(self) -> bool:
        """Whether the file needs `inside`."""
        return self.is_wrapped and any(layer.rule.has("init") for layer in self.layers[1:])
