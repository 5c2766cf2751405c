"""A rule that cannot stand for itself in a command is named with the way out."""

import pytest

from chainrule import ChainruleError, Optimizer
from chainrule.optimizers import adam, ema
from chainrule.testing import subject
from chainrule_torch.first_example import first_example


def needy(rate):
    return adam(lr=rate)


class Broken(Optimizer):
    @classmethod
    def examples(cls):
        return 1 / 0


@pytest.mark.parametrize(("made", "cause"), [(needy, "TypeError: needy"), (Broken, "ZeroDivisionError: division by")])
def test_the_cause_is_told_in_one_line(made, cause):
    with pytest.raises(ChainruleError, match=rf" or give examples, got {cause}") as caught:
        first_example(subject(made, kind="optimizers"), "diff")
    assert str(caught.value).startswith("diff: ")
    assert "\n" not in str(caught.value)


def test_one_with_examples_may_need_arguments():
    assert first_example(subject(ema), "export") == ema.examples()[0]
