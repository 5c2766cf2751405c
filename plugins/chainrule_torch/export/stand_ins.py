"""What stands in the file for parts of the core: as much of each as a rule uses."""

from __future__ import annotations

from collections.abc import Collection

from chainrule_torch.export.module_source import Imported

STATE = 'State = dict[str, Tensor]\n"""What a rule keeps for a parameter, by name."""'

GENERAL = {
    "present": '''\
def present(value: float) -> bool:
    """Return whether a term that this setting scales is there."""
    return value != 0''',
    "settings_of": '''\
def settings_of(rule: type, group: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a rule in a group, as plain values."""
    values = {field.name: group[field.name] for field in fields(rule)}
    return {name: value.item() if isinstance(value, Tensor) else value for name, value in values.items()}''',
    "total": '''\
def total(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the sums over the parameters of a group."""
    return {name: torch.stack([part[name] for part in parts]).sum(0) for name in parts[0]} if parts else {}''',
    "inside": '''\
def inside(state: State) -> State:
    """Return the state of the rule inside a wrapper."""
    return {name.removeprefix("inner."): entry for name, entry in state.items() if name.startswith("inner.")}''',
    "random_key": '''\
def random_key(index: int) -> tuple[int, int]:
    """Return the key of the random numbers of a parameter, by torch's seed."""
    name = f"{torch.initial_seed()}/random/update/{index}"
    first, second = struct.unpack("<2I", hashlib.blake2b(name.encode(), digest_size=8).digest())
    return first, second''',
}

RANDOM_IMPORTS = {Imported(name, None, name) for name in ("hashlib", "math", "struct")} | {
    Imported("collections.abc", "Sequence", "Sequence")
}

_RANDOM = '''\
class Random:
    """The random numbers of a step for one parameter, which follow from its key and t alone.

    Source:   Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox4x32 with 10 rounds
    """

    def __init__(self, key: tuple[int, int], t: int, parameter: Tensor, layer: int = 0) -> None:
        self.key, self.counter = key, layer * 2**48 + t
        self.dtype, self.device = parameter.dtype, parameter.device
'''

DRAWS = {
    "uniform": '''
    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Return uniform numbers in [0, 1), multiples of 2⁻²⁴."""
        return self._draw(math.prod(shape)).reshape(shape)
''',
    "bernoulli": '''
    def bernoulli(self, probability: float, shape: Sequence[int]) -> Tensor:
        """Return ones with this probability, else zeros."""
        return (self.uniform(shape) < probability).to(self.dtype)
''',
    "normal": '''
    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return standard normal numbers, by Box and Muller's transform of pairs of uniform ones."""
        half = -(-math.prod(shape) // 2)
        first, second = self._draw(2 * half).double().view(2, half)
        radius, angle = (first + 0.5**25).log_().mul_(-2).sqrt_(), second * (2 * math.pi)
        numbers = torch.cat([radius * angle.cos(), radius * angle.sin()])[: math.prod(shape)]
        return numbers.to(self.dtype).reshape(shape)
''',
}

_DRAW = """
    def _draw(self, count: int) -> Tensor:
        word, (key0, key1) = 0xFFFFFFFF, self.key
        x0 = torch.arange(-(-count // 4), device=self.device)
        x1, x2, x3 = x0 * 0, x0 * 0 + (self.counter & word), x0 * 0 + (self.counter >> 32)
        self.counter += 2**32
        for _ in range(10):
            low, high = x0 * 0xD2511F53, x2 * 0xCD9E8D57
            x0, x1 = (high >> 32) & word ^ x1 ^ key0, high & word
            x2, x3 = (low >> 32) & word ^ x3 ^ key1, low & word
            key0, key1 = (key0 + 0x9E3779B9) & word, (key1 + 0xBB67AE85) & word
        return (torch.cat([x0, x1, x2, x3])[:count] >> 8).to(self.dtype).mul_(0.5**24)"""


def random(names: Collection[str]) -> str:
    """Return a class of random numbers with these distributions."""
    wanted = {*names, *(["uniform"] if "bernoulli" in names else [])}
    return _RANDOM + "".join(text for name, text in DRAWS.items() if name in wanted) + _DRAW


def step(*, has_values: bool, has_sums: bool, has_every: bool, has_random: bool) -> str:
    """Return the class of what a rule knows of a step."""
    named = f"the rule's scalars{' and sums' * has_sums} by name"
    known = ["its learning rate", *[named] * has_values, *["its random numbers"] * has_random]
    listed = ", ".join(["The number t of a step from 1", *known[:-1]])
    lines = [
        "@dataclass",
        "class Step:",
        f'    """{listed}, and {known[-1]}."""',
        "",
        "    t: int",
        "    lr: float",
        *["    values: dict[str, Any]"] * has_values,
        *["    random: Random"] * has_random,
    ]
    if has_values:
        lines += ["", "    def __getitem__(self, name: str) -> Any:", "        return self.values[name]"]
    if has_every:
        lines += [
            "",
            "    def every(self, k: int, offset: int = 0) -> bool:",
            '        """Whether this is one of every k steps, counted from an offset."""',
            "        return (self.t - offset) % k == 0",
        ]
    return "\n".join(lines)
