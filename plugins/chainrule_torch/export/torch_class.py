"""The general part of the file: the `torch.optim.Optimizer` that applies the rule, and what a step of it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chainrule_torch.export.parameter_step import Layer, ParameterStep
from chainrule_torch.export.text import WIDTH, call, deeper, indented


@dataclass(frozen=True)
class Setting:
    """A keyword argument of the optimizer, and key of its groups.

    Attributes:
        default: as Python, or None where it must be given.
    """

    key: str
    type: str
    default: str | None


class TorchClass:
    """Writes the optimizer that applies a rule.

    Args:
        title: the optimizer's name.
        settings: in the order of the signature.
        taken: the step of a parameter.
        ranks: those that a parameter may have, or none for any.
        keeps_dtypes: whether state may have other dtypes than the parameter.
    """

    def __init__(
        self, title: str, settings: list[Setting], taken: ParameterStep, *, ranks: tuple[int, ...], keeps_dtypes: bool
    ) -> None:
        self.title, self.settings, self.taken = title, settings, taken
        self.ranks, self.keeps_dtypes = ranks, keeps_dtypes
        self.layers, self.decay, self.is_wrapped = taken.layers, taken.decay, taken.is_wrapped
        self.label = taken.layers[0].rule.label
        self.evaluating = next((layer for layer in taken.layers if layer.rule.has("evaluation_parameter")), None)

    def text(self) -> str:
        """Return the class."""
        what = " around ".join(f"`{layer.rule.name}`" for layer in self.layers) + " on the parameters of a module"
        methods = [
            indented(f'"""{what}.\n\n{self._notes()}\n"""', 4),
            self._constructor(),
            self._adding(),
            self._rules(),
            *self._stepping(),
            *self._evaluation(),
            *([LOADING] if self.keeps_dtypes else []),
        ]
        return f"class {self.title}(torch.optim.Optimizer):\n" + "\n\n".join(methods)

    def _notes(self) -> str:
        notes = ["Every setting is a key of the parameter groups, and may change between steps."]
        if self.decay == "beside":
            notes.append("The rule has no weight decay: `weight_decay` acts beside it, θ ← θ − lr weight_decay θ.")
        if self.evaluating is not None:
            notes.append(
                "It evaluates other parameters than it trains: call `eval` before evaluating, `train` after it."
            )
        return "\n".join(notes)

    def _constructor(self) -> str:
        arguments = ["self", "params: Iterable[Any]"]
        for i, each in enumerate(self.settings):
            written = f"{each.key}: {each.type}" + (f" = {each.default}" if each.default is not None else "")
            arguments += [written, "*"] if i == 0 else [written]
        keys = [f'"{each.key}": {each.key}' for each in self.settings]
        defaults = f"{{{', '.join(keys)}}}"
        if len(f"        super().__init__(params, {defaults})") <= WIDTH:
            body = f"super().__init__(params, {defaults})"
        else:
            if len(f"        defaults = {defaults}") > WIDTH:
                defaults = "".join(["{\n", *(f"    {key},\n" for key in keys), "}"])
            body = f"defaults = {defaults}\nsuper().__init__(params, defaults)"
        return indented(f"{call('def __init__', arguments, ' -> None:', indent=4)}\n{indented(body, 4)}", 4)

    def _adding(self) -> str:
        """Return add_param_group, which checks what it adds."""
        lines = [f"self.{self._maker}({{**self.defaults, **param_group}})  # which checks the settings"]
        if self.decay == "beside":
            got = "{settings['weight_decay']!r}"
            lines = [
                "settings = {**self.defaults, **param_group}",
                f"self.{self._maker}(settings)  # which checks them",
                'if not settings["weight_decay"] >= 0:',
                f'    raise ValueError(f"{self.label}: weight_decay must be at least 0, got {got}.")',
            ]
        lines.append("super().add_param_group(param_group)")
        if self.ranks or self.taken.draws:
            lines.append('for parameter in self.param_groups[-1]["params"]:')
        if self.ranks:
            shown = " or ".join(map(str, self.ranks))
            message = f'f"{self.label}: a parameter must have rank {shown}, got shape {{tuple(parameter.shape)}}."'
            lines += [
                f"    if parameter.dim() not in {self.ranks!r}:",
                indented(call("raise ValueError", [message], indent=16, trailing=False), 8),
            ]
        if self.taken.draws:
            lines.append('    self.state[parameter]["random_key"] = random_key(len(self.state))')
        return _method(
            "add_param_group(self, param_group: dict[str, Any]) -> None",
            "Add parameters, with settings of their own.",
            lines,
        )

    def _rules(self) -> str:
        """Return the method that makes the rules of a group."""
        made = [self._made(layer) for layer in self.layers]
        names = ", ".join(layer.rule.name for layer in self.layers)
        kind, one_line = (f"tuple[{names}]" if self.is_wrapped else names), f"return {', '.join(made)}"
        if len(one_line) > WIDTH - 12:
            one_line = "\n".join(["return (", *(f"    {each}," for each in made), ")"])
        message = f'f"{self.label}: every setting must be of the type of its default; {{error}}."'
        lines = [
            "try:",
            indented(one_line, 4),
            "except (TypeError, RuntimeError) as error:",
            indented(call("raise ValueError", [message], " from error", indent=12, trailing=False), 4),
        ]
        what = f"Return the rule{'s' * self.is_wrapped} with the settings of a group."
        return _method(f"{self._maker}(self, group: dict[str, Any]) -> {kind}", what, lines)

    def _made(self, layer: Layer) -> str:
        """Return the call that makes a rule of a group."""
        other = [f'"{name}": group["{key}"]' for name, key in layer.settings.items() if name != key]
        group = f"{{**group, {', '.join(other)}}}" if other else "group"
        return f"{layer.rule.name}(**settings_of({layer.rule.name}, {group}))"

    @property
    def _maker(self) -> str:
        return "_rules" if self.is_wrapped else "_rule"

    def _stepping(self) -> list[str]:
        """Return step and the method that it calls."""
        begin, finish = self.taken.begin(), self.taken.finish()
        rules = "rules" if self.is_wrapped else "rule"
        loop = ["for group in self.param_groups:"]
        if self.taken.sums:
            loop.append("    self._step_group(group)")
        else:
            loop += [
                f"    {rules} = self.{self._maker}(group)",
                '    for parameter in group["params"]:',
                "        if parameter.grad is not None and parameter.numel():",
                f"            self._step_parameter(parameter, {rules}, group)",
            ]
        lines = [
            *(self._leaving_evaluation() if self.evaluating else []),
            "loss = None",
            "if closure is not None:",
            "    with torch.enable_grad():",
            "        loss = closure()",
            *loop,
            "return loss",
        ]
        step = _method(
            "step(self, closure: Callable[[], Any] | None = None) -> Any",
            "Update every parameter that has a gradient; a closure evaluates the model and returns the loss.",
            lines,
            decorator="@torch.no_grad()",
        )
        refusal = [
            "if parameter.grad.layout != torch.strided or parameter.is_complex():",
            f'    raise ValueError("{self.label}: a parameter and its gradient must be dense and real.")',
        ]
        if self.taken.sums:
            return [step, self._group_method(refusal, begin, finish)]
        names = ", ".join(layer.rule.name for layer in self.layers)
        kind = f"tuple[{names}]" if self.is_wrapped else names
        arguments = ["self", "parameter: Tensor", f"{rules}: {kind}", "group: dict[str, Any]"]
        unpacked = [f"{', '.join(layer.variable for layer in self.layers)} = rules"] if self.is_wrapped else []
        return [
            step,
            _method(
                call("_step_parameter", arguments, " -> None", indent=9),
                "",
                [*refusal, *unpacked, *begin, *finish],
            ),
        ]

    def _group_method(self, refusal: list[str], begin: list[str], finish: list[str]) -> str:
        variables = ", ".join(layer.variable for layer in self.layers)
        kept = [
            "parameter",
            "grad",
            *self.taken.states(),
            *dict.fromkeys(self.taken.step_of(layer) for layer in self.layers),
        ]
        parts = {
            layer.variable: "parts" if len(self.taken.sums) == 1 else f"{layer.variable}_parts"
            for layer in self.taken.sums
        }
        lines = [
            f"{variables} = self.{self._maker}(group)",
            "rows = []",
            *(f"{part} = []" for part in parts.values()),
            'for parameter in group["params"]:',
            "    if parameter.grad is None or not parameter.numel():",
            "        continue",
            *deeper(refusal),
            *deeper(begin),
            f"    rows.append(({', '.join(kept)}))",
        ]
        for layer in self.taken.sums:
            arguments = f"parameter, grad, {self.taken.state_of(layer)}, {self.taken.step_of(layer)}"
            lines.append(f"    {parts[layer.variable]}.append({layer.variable}.reduce({arguments}))")
        names = ["sums" if len(self.taken.sums) == 1 else f"{layer.variable}_sums" for layer in self.taken.sums]
        lines += [f"{name} = total({part})" for name, part in zip(names, parts.values(), strict=True)]
        lines.append(f"for {', '.join(kept)} in rows:")
        lines += [
            f"    {self.taken.step_of(layer)}.values |= {sums}"
            for layer, sums in zip(self.taken.sums, names, strict=True)
        ]
        lines += deeper(finish)
        return _method(
            "_step_group(self, group: dict[str, Any]) -> None",
            "Update the parameters of a group, over which the rule sums.",
            lines,
        )

    def _leaving_evaluation(self) -> list[str]:
        """Return the lines of step that refuse gradients of the evaluation parameters."""
        messages = [
            f'"{self.label}: step must find the parameters that are trained, got those that eval() shows. "',
            '"Call optimizer.train() before the forward pass."',
        ]
        return [
            'if closure is None and any("trained" in state for state in self.state.values()):',
            "    raise RuntimeError(",
            *deeper(deeper(messages)),
            "    )",
            "self.train()",
        ]

    def _evaluation(self) -> list[str]:
        """Return eval and train for a rule that evaluates elsewhere than it trains."""
        layer = self.evaluating
        if layer is None:
            return []
        depth = self.layers.index(layer)
        state = "inside(" * depth + "state" + ")" * depth
        rules = f"self.{self._maker}(group)" + (f"[{depth}]" if self.is_wrapped else "")
        shown = [
            "for group in self.param_groups:",
            f"    {layer.variable} = {rules}",
            '    for parameter in group["params"]:',
            "        state = self.state[parameter]",
            '        if "step" in state and "trained" not in state:',
            f"            shown = {layer.variable}.evaluation_parameter(parameter, {state})",
            '            state["trained"] = parameter.clone()',
            "            parameter.copy_(shown)",
        ]
        trained = [
            "for parameter, state in self.state.items():",
            '    if "trained" in state:',
            '        parameter.copy_(state.pop("trained"))',
        ]
        return [
            _method(
                "eval(self) -> None",
                "Let the parameters be those to evaluate with, until `train`.",
                shown,
                decorator="@torch.no_grad()",
            ),
            _method(
                "train(self) -> None",
                "Let the parameters be those that are trained.",
                trained,
                decorator="@torch.no_grad()",
            ),
        ]


LOADING = '''\
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved state, whose tensors keep their dtypes."""
        super().load_state_dict(state_dict)
        saved = [i for group in state_dict["param_groups"] for i in group["params"]]
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        for i, parameter in zip(saved, parameters, strict=True):
            for name, entry in state_dict["state"].get(i, {}).items():
                if isinstance(entry, Tensor) and name != "step":
                    self.state[parameter][name] = entry.to(parameter.device, copy=True)'''


def _method(signature: str, what: str, lines: Iterable[str], *, decorator: str = "") -> str:
    documented = [f'"""{what}"""'] if what else []
    above = f"{decorator}\n" if decorator else ""
    body = indented("\n".join([*documented, *lines]), 4)
    return indented(f"{above}def {signature}:\n{body}", 4)
