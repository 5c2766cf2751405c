"""What the checks of rules against formulas say of a failure."""

from chainrule import hyperparameter
from chainrule.cli.kind_contract import contract_of
from chainrule.optimizers import adam
from chainrule.testing import checks_of, run, subject


class Undeclared(adam):
    weight_decay: float = hyperparameter(default=0.0, at_least=0)


def test_decay_that_is_neither_coupled_nor_decoupled_is_named_where_its_kind_is_asked_for():
    check = next(one for one in checks_of("optimizers") if one.name == "weight_decay_is_as_declared")
    meaning = next(member.meaning for member in contract_of("optimizers") if member.name == "decay_kind")
    for words in (run(subject(Undeclared), check).detail, check.cause, meaning):
        assert '"other"' in words
