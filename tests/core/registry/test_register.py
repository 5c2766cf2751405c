"""Components that are registered in the running session."""

import pytest

import chainrule
from chainrule import registry
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.registry import lookup


@pytest.fixture(autouse=True)
def _fresh_catalogue():
    lookup._of_process.clear()
    yield
    lookup._of_process.clear()


class Mine:
    pass


def test_a_registered_class_is_made_and_imported_by_name():
    assert chainrule.register("optimizers", "mine", Mine) is Mine
    from chainrule.optimizers import mine

    assert mine is Mine
    assert isinstance(chainrule.create("optimizer", "session:mine"), Mine)
    assert registry.resolve("mine").distribution == "session"


def test_register_decorates():
    @chainrule.register("schedules", "wavy")
    def wavy():
        return 3

    assert wavy() == 3
    assert chainrule.create("schedules", "wavy") == 3


def test_the_same_definition_may_be_registered_again():
    def cell(value):
        @chainrule.register("optimizers", "mine")
        class Rule:
            size = value

    cell(1)
    cell(2)
    assert chainrule.get("optimizers", "mine").size == 2
    assert [component.name for component in chainrule.components("optimizers")].count("mine") == 1


def test_another_object_may_not_take_a_sessions_name():
    class Other:
        pass

    chainrule.register("optimizers", "mine", Mine)
    with pytest.raises(
        chainrule.AmbiguousComponentError, match=r'register: "optimizers:mine" is already registered for .*:Mine'
    ):
        chainrule.register("optimizers", "mine", Other)
    assert chainrule.get("optimizers", "mine") is Mine


def test_a_packages_name_may_not_be_taken():
    with pytest.raises(
        chainrule.AmbiguousComponentError, match=r"is already registered for chainrule_plugins.*Choose another name"
    ):
        chainrule.register("optimizers", "adam", Mine)


def test_a_name_of_another_kind_is_free():
    chainrule.register("layers", "adam", Mine)
    assert chainrule.get("layers", "adam") is Mine


def test_a_disabled_name_may_not_be_registered(monkeypatch):
    monkeypatch.setenv("CHAINRULE_DISABLE", "optimizers:mine")
    with pytest.raises(chainrule.BlockedComponentError, match="is disabled by CHAINRULE_DISABLE="):
        chainrule.register("optimizers", "mine", Mine)


@pytest.mark.parametrize("name", ["Mine", "class", "my-rule", ""])
def test_a_name_must_be_a_lower_case_identifier(name):
    with pytest.raises(chainrule.ChainruleError, match=r"register: the name must match \[a-z\]"):
        chainrule.register("optimizers", name, Mine)


@pytest.mark.parametrize(
    ("kind", "value"), [("optimizers", 3), ("optimizers", None), ("losses", mse()), ("layers", linear(2, 1))]
)
def test_what_is_registered_must_be_a_class_or_a_function(kind, value):
    with pytest.raises(chainrule.ChainruleError, match="must be a class or a function"):
        chainrule.register(kind, "mine", value)
