"""`Roster`: the members of an ensemble that are in training, and what those have that were dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from chainrule.arguments import integer, is_iterable, shown
from chainrule.base.member_rows import Chosen, joined, rows_of
from chainrule.base.member_values import converted
from chainrule.base.wrapper import with_lr
from chainrule.errors import ChainruleError
from chainrule.updates.updater import Updater


class Roster:
    """The members in training, of all that the network was built with.

    A member that is dropped leaves network and updater with all that it has; `make_whole` brings everybody together.
    Members are known by their numbers, counted from 0 as they were built.

    Attributes:
        members: those whose rows network and updater have, in order.
        dropped: those that were dropped, in the order in which they were; they leave at the next `let_leave`.
    """

    def __init__(self, updater: Updater) -> None:
        self._network, self._updater = updater.network, updater
        self._seeds, self._rules = updater.network.seeds, dict(updater.groups)
        self._seeds_of_rules = dict(enumerate(self._seeds))  # of their random numbers
        self.built = updater.network.members
        self.members = list(range(self.built))
        self.dropped: list[int] = []
        self._left: Any = None  # what the dropped members had, in their order

    @property
    def chosen(self) -> Chosen | None:
        """The members in training, None where these are all."""
        return None if len(self.members) == self.built else Chosen(self.members, self.built)

    def checked(self, caller: str, members: Iterable[int]) -> list[int]:
        """Return the numbers of members, each once.

        Raises:
            ChainruleError: if one is not in training.
        """
        numbers = list(members) if is_iterable(members) else [members]
        try:
            found = list(dict.fromkeys(integer(caller, "members", number, at_least=0) for number in numbers))
        except ChainruleError as error:
            if is_iterable(members) and (below := [one for one in numbers if isinstance(one, Integral) and one < 0]):
                raise ChainruleError(
                    f"{caller}: members must be 0 to {self.built - 1}, got {below[0]}. Count them from 0."
                ) from error
            found = []
        if not is_iterable(members) or (numbers and not found):
            got = shown(getattr(members, "tolist", lambda: members)())  # such as a mask, or an argmin
            raise ChainruleError(
                f"{caller}: members must be a list of their numbers, got {got}. Pass {found or '[0], for example'}."
            )
        if found and max(found) >= self.built:
            raise ChainruleError(f"{caller}: members must be below {self.built}, got {max(found)}. Count them from 0.")
        here = set(self.members)
        for member in found:
            if member not in here:
                raise ChainruleError(
                    f"{caller}: members must be in training, got {member}, which was dropped. Choose from run.members."
                )
        return found

    def drop(self, members: Iterable[int]) -> None:
        """Let these members leave at the next call of `let_leave`.

        Raises:
            ChainruleError: if one is not in training, or none would stay.
        """
        already = set(self.dropped)
        leaving = [member for member in self.checked("run.drop", members) if member not in already]
        if len(self.dropped) + len(leaving) == self.built:
            raise ChainruleError(
                f"run.drop: a member or more must stay in training, got all of {shown(self.members)}. "
                "End the fit with run.stop()."
            )
        self.dropped += leaving

    def let_leave(self) -> list[int]:
        """Take members that were dropped out of network and updater; return the rows that the others had, if any did.

        The network then holds the others alone, in their order.
        """
        rows, dropped = {member: row for row, member in enumerate(self.members)}, set(self.dropped)
        leave = [rows[member] for member in self.dropped if member in rows]
        if not leave:
            return []
        state = self.state()
        stay = [row for member, row in rows.items() if member not in dropped]
        own = rows_of(state, leave)
        self._left = own if self._left is None else joined(self._left, own)
        self.take([self.members[row] for row in stay], rows_of(state, stay))
        return stay

    def make_whole(self) -> None:
        """Put the members that were dropped back into network and updater, with what they had."""
        if len(self.members) == self.built:
            return
        together, state = [*self.dropped, *self.members], self.state()
        order = sorted(range(self.built), key=together.__getitem__)
        rules, here = state["rules"], self.members
        late = {name: rules.pop(name) for name in rules.keys() - self._left["rules"].keys()}
        self.take(list(range(self.built)), rows_of(joined(self._left, state), order))
        if late:  # of parameters that were frozen when members left, which have a first state there
            saved = self._updater.state_dict()
            for name, own in late.items():
                for entry, values in own.items():
                    saved["state"][name][entry][here] = values
            self._updater.load_state_dict(saved)

    def over_all(self, values: Tensor) -> Tensor:
        """Return the values of the members in training, (M, …), with NaN for those that were dropped."""
        if len(values) == self.built:
            return values
        dtype = values.dtype if values.dtype.is_floating_point else torch.float64
        found = values.new_full((self.built, *values.shape[1:]), torch.nan, dtype=dtype)
        found[self.members] = values.to(dtype)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return who was dropped and what they had."""
        return {"dropped": self.dropped, "left": self._left}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Let the members leave that have left; what the others have is loaded into network and updater."""
        self.make_whole()
        self.dropped[:] = saved["dropped"]
        self.let_leave()
        self._left = saved["left"]

    def state(self) -> dict[str, Any]:
        """Return what each member has of its own, (M, …) each."""
        network, saved = self._network, self._updater.state_dict()
        self._seeds_of_rules |= zip(self.members, saved["seeds"], strict=True)
        parameters = [parameter.data for parameter in network.parameters()]
        if "trained" in saved:
            spans = [network.flat.spans[parameter] for parameter in network.parameters()]
            parameters = [saved["trained"][span].view(network.members, -1) for span in spans]
        rates = [torch.as_tensor(rule.lr, dtype=torch.float64, device="cpu") for rule in self._updater.groups.values()]
        return {
            "network": network.member_tensors(),
            "rules": saved["state"],
            "trained": [values.flatten(1) for values in parameters],
            "rates": [rate.expand(network.members) for rate in rates],
        }

    def take(self, members: list[int], state: Mapping[str, Any]) -> None:
        """Let network and updater have these members, with such a state."""
        network, saved = self._network, self._updater.state_dict()
        groups = {}
        for (key, rule), rates in zip(self._updater.groups.items(), state["rates"], strict=True):
            own = converted(self._rules[key], lambda values: values[members])
            groups[key] = with_lr(own, rates if isinstance(rule.lr, Tensor) else rule.lr)
        network.bind_members([self._seeds[member] for member in members], state["network"])
        saved |= {"state": state["rules"], "seeds": [self._seeds_of_rules[member] for member in members]}
        if "trained" in saved:
            trained = dict(zip(network.parameters(), state["trained"], strict=True))
            saved["trained"] = torch.cat([trained[parameter].flatten() for parameter in network.flat.parameters])
        self.members = members
        self._updater.follow_members(groups, saved, self.chosen)
