"""Finding, loading, blocking and disputing components, with real distributions in new processes."""

import pytest


def test_a_third_partys_component_is_found_and_loaded_by_name(lion):
    assert lion.python("import chainrule; print(chainrule.create('optimizers', 'lion', lr=2).lr)") == "2\n"


def test_finding_imports_neither_torch_nor_any_plugin(lion):
    printed = lion.python(
        "import sys, chainrule\n"
        "found = chainrule.components()\n"
        "assert any(component.name == 'lion' for component in found)\n"
        "print([name for name in ('torch', 'lion_package', 'chainrule_plugins') if name in sys.modules])"
    )
    assert printed == "[]\n"


def test_loading_imports_just_that_component(packages):
    packages.add(
        "pair",
        "[chainrule.optimizers]\none = pair.one:One\ntwo = pair.two:Two\n",
        {"pair/__init__.py": "", "pair/one.py": "class One: pass", "pair/two.py": "class Two: pass"},
    )
    printed = packages.python(
        "import sys, chainrule\n"
        "chainrule.get('optimizers', 'one')\n"
        "print('pair.one' in sys.modules, 'pair.two' in sys.modules)"
    )
    assert printed == "True False\n"


def test_pluggy_holds_every_usable_record_under_its_key(lion):
    printed = lion.python(
        "from chainrule.registry.catalogue import Catalogue\n"
        "held = dict(Catalogue().manager.list_name_plugin())\n"
        "print(held['optimizers:lion'].entry_point, held['optimizers:lion'].version)"
    )
    assert printed == "lion_package:Lion 1.0\n"


@pytest.mark.parametrize("kind", ["optimizer", "optimizers", "Optimizers"])
def test_kinds_are_accepted_in_singular_and_plural(lion, kind):
    assert "lion_package.Lion" in lion.python(f"import chainrule; print(chainrule.get('{kind}', 'lion'))")


def test_an_unknown_kind_is_answered_with_the_nearest(packages):
    message = packages.error("chainrule.get('optimisers', 'adam')")
    assert message.startswith(
        'UnknownComponentError No kind of component is called "optimisers". Did you mean "optimizers"'
    )


def test_of_two_copies_of_a_distribution_the_first_on_the_path_counts(packages):
    for version, folder in (("2.0", "first"), ("1.0", "second")):
        packages.add(
            "chainrule-lion",
            "[chainrule.optimizers]\nlion = lion_package:Lion\n",
            {"lion_package.py": f"class Lion: version = {version}"},
            version=version,
            folder=folder,
        )
    printed = packages.python(
        "from chainrule import registry\n"
        "found = registry.resolve('lion')\n"
        "print(found.version, registry.state(found), registry.load(found).version)"
    )
    assert printed == "2.0 declared 2.0\n"


class TestCollisions:
    @pytest.fixture
    def rivals(self, lion):
        lion.add(
            "other-lion", "[chainrule.optimizers]\nlion = other_lion:Lion\n", {"other_lion.py": "class Lion: pass"}
        )
        return lion

    def test_the_bare_name_raises_and_lists_both(self, rivals):
        message = rivals.error("chainrule.get('optimizers', 'lion')")
        assert message.startswith("AmbiguousComponentError")
        assert "chainrule-lion (lion_package:Lion)" in message
        assert "other-lion (other_lion:Lion)" in message

    def test_the_name_with_its_distribution_says_which(self, rivals):
        printed = rivals.python(
            "import chainrule\n"
            "print(chainrule.get('optimizers', 'other-lion:lion').__module__)\n"
            "print(chainrule.get('optimizers', 'Chainrule_Lion:lion').__module__)"
        )
        assert printed.split() == ["other_lion", "lion_package"]

    def test_blocking_one_side_leaves_the_other(self, rivals):
        printed = rivals.python(
            "import chainrule; print(chainrule.get('optimizers', 'lion').__module__)",
            CHAINRULE_DISABLE="dist:other-lion",
        )
        assert printed == "lion_package\n"

    def test_a_built_in_is_never_shadowed(self, packages):
        packages.add("usurper", "[chainrule.optimizers]\nadam = usurper:Adam\n", {"usurper.py": "class Adam: pass"})
        message = packages.error("chainrule.get('optimizers', 'adam')")
        assert message.startswith('AmbiguousComponentError optimizers: "adam" must be registered once')
        assert message.rstrip().endswith("or set CHAINRULE_DISABLE=dist:usurper.")
        own = packages.python("from chainrule import registry; print(registry.resolve('chainrule:adam').entry_point)")
        assert own == "chainrule_plugins.optimizers.adam:Adam\n"


class TestBlocking:
    @pytest.mark.parametrize(
        "entry", ["optimizers:lion", "optimizer:lion", " dist:Chainrule_Lion ,", "layers:x,dist:chainrule-lion"]
    )
    def test_a_blocked_component_is_listed_but_not_imported(self, lion, entry):
        message = lion.error("chainrule.get('optimizers', 'lion')", CHAINRULE_DISABLE=entry)
        assert message.startswith(
            'BlockedComponentError optimizers: "lion" of chainrule-lion is disabled by CHAINRULE_DISABLE='
        )
        state = lion.python(
            "from chainrule import registry\n"
            "print([registry.state(c) for c in registry.components('optimizers') if c.name == 'lion'])",
            CHAINRULE_DISABLE=entry,
        )
        assert state == "['blocked']\n"

    def test_blocking_one_component_leaves_the_others(self, lion):
        printed = lion.python(
            "from chainrule import registry; print('lion' in registry.names('optimizers'))",
            CHAINRULE_DISABLE="layers:lion",
        )
        assert printed == "True\n"

    @pytest.mark.parametrize(
        "entry", ["lion", "dist:", "optimisers:lion", "optimizers:", "optimizers:chainrule-lion:lion"]
    )
    def test_an_entry_of_another_form_is_refused(self, packages, entry):
        message = packages.error("chainrule.components()", CHAINRULE_DISABLE=entry)
        assert message.startswith(
            "ChainruleError CHAINRULE_DISABLE: every entry must be KIND:NAME or dist:DISTRIBUTION"
        )
        assert f'got "{entry}"' in message


@pytest.mark.parametrize("name", ["Lion", "class", "my-lion", "2lion", "_lion"])
def test_a_name_that_could_not_be_imported_is_invalid(packages, name):
    packages.add("odd", f"[chainrule.optimizers]\n{name} = odd:Lion\n", {"odd.py": "class Lion: pass"})
    printed = packages.python(
        "from chainrule import registry\n"
        "print([registry.state(c) for c in registry.components() if c.distribution == 'odd'])"
    )
    assert printed == "['invalid']\n"
    assert f'must match [a-z][a-z0-9_]* and not be a Python keyword, got "{name}"' in packages.error(
        f"chainrule.get('optimizers', '{name}')"
    )


BROKEN = {
    "its module raises": ("broken:Lion", "raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
    "its module leaves Python": ("broken:Lion", "raise SystemExit(3)", "SystemExit: 3"),
    "its module does not exist": ("nowhere:Lion", "", "No module named 'nowhere'"),
    "its class does not exist": ("broken:Lion", "", "has no attribute 'Lion'"),
    "its address makes no sense": ("broken Lion", "", "its entry point must be"),
    "it cannot be called": ("broken:Lion", "Lion = 3", "must be a class or a function, got a value of type int"),
}


@pytest.mark.parametrize(("address", "source", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_component_says_why_and_breaks_nothing_else(lion, address, source, cause):
    lion.add("broken", f"[chainrule.optimizers]\nbroken = {address}\n", {"broken.py": source})
    message = lion.error("chainrule.get('optimizers', 'broken')")
    assert message.startswith(f"BrokenComponentError optimizers:broken ({address}) of broken 1.0 cannot be loaded: ")
    assert cause in message
    assert message.count("\n") == 1
    assert "lion_package.Lion" in lion.python("import chainrule; print(chainrule.get('optimizers', 'lion'))")


def test_the_cause_of_a_broken_component_is_chained(packages):
    packages.add("broken", "[chainrule.optimizers]\nbroken = broken:Lion\n", {"broken.py": "1 / 0"})
    printed = packages.python(
        "import chainrule\n"
        "try: chainrule.get('optimizers', 'broken')\n"
        "except chainrule.BrokenComponentError as error: print(repr(error.__cause__))"
    )
    assert printed == "ZeroDivisionError('division by zero')\n"


@pytest.mark.parametrize("text", [b"[chainrule.optimizers]\n\xff\xfe = x:Y\n", b"[chainrule.optimizers]\nno address\n"])
def test_metadata_that_cannot_be_read_is_a_problem_of_its_own(lion, text):
    lion.add("garbled", text)
    printed = lion.python(
        "from chainrule import registry\n"
        "print('lion' in registry.names('optimizers'), len(registry.problems()), registry.problems()[0])"
    )
    assert printed.startswith("True 1 The metadata of a distribution in ")


class TestHooks:
    CONTRIBUTION = (
        "from chainrule import Component, hookimpl\n"
        "@hookimpl\n"
        "def chainrule_components():\n"
        "    return [Component(kind='optimizers', name='borrowed', entry_point='bridge_rules:Borrowed')]\n"
    )

    def test_a_hook_adds_components_in_its_distributions_name(self, packages):
        packages.add(
            "bridge",
            "[chainrule.hooks]\nbridge = bridge_hooks\n",
            {"bridge_hooks.py": self.CONTRIBUTION, "bridge_rules.py": "class Borrowed: pass"},
        )
        printed = packages.python(
            "import sys\nfrom chainrule import registry\n"
            "found = registry.resolve('borrowed')\n"
            "print(found.distribution, found.version, 'bridge_rules' in sys.modules, 'torch' in sys.modules)\n"
            "print(registry.get('optimizers', 'bridge:borrowed').__name__)"
        )
        assert printed == "bridge 1.0 False False\nBorrowed\n"

    def test_a_blocked_distributions_hook_is_not_imported(self, packages):
        packages.add("bridge", "[chainrule.hooks]\nbridge = bridge_hooks\n", {"bridge_hooks.py": self.CONTRIBUTION})
        printed = packages.python(
            "import sys, chainrule; chainrule.components(); print('bridge_hooks' in sys.modules)",
            CHAINRULE_DISABLE="dist:bridge",
        )
        assert printed == "False\n"

    @pytest.mark.parametrize(
        ("source", "cause"),
        [
            ("1 / 0", "ZeroDivisionError"),
            (CONTRIBUTION.replace("components():", "component():"), "unknown hook 'chainrule_component'"),
            (CONTRIBUTION.replace("components():", "components(extra):"), "extra"),
            (CONTRIBUTION.replace("'optimizers'", "'optimisers'"), "must return Components of a known kind"),
            (CONTRIBUTION.replace("    return [", "    return [3, "), "must return Components of a known kind, got 3"),
            (CONTRIBUTION.replace("    return [", "    raise OSError('disk')\n    return ["), "OSError: disk"),
        ],
    )
    def test_a_broken_hook_breaks_nothing_else(self, packages, source, cause):
        packages.add(
            "bridges",
            "[chainrule.hooks]\na_broken = broken_hooks\nbridge = bridge_hooks\n",
            {"broken_hooks.py": source, "bridge_hooks.py": self.CONTRIBUTION, "bridge_rules.py": ""},
        )
        printed = packages.python(
            "from chainrule import registry\n"
            "print('borrowed' in registry.names('optimizers'), len(registry.problems()), registry.problems()[0])"
        )
        assert printed.startswith("True 1 hooks:a_broken (broken_hooks) of bridges 1.0 cannot be loaded: ")
        assert cause in printed


class TestUnknownNames:
    def test_the_nearest_name_and_both_ways_to_add_one_are_given(self, lion):
        message = lion.error("chainrule.get('optimizers', 'lino')")
        assert message.startswith('UnknownComponentError No optimizer is registered as "lino". Did you mean "lion"?')
        assert "Installed: chainrule list optimizers." in message
        assert '[project.entry-points."chainrule.optimizers"]' in message
        assert 'chainrule.register("optimizers", "lino", …)' in message

    def test_a_name_of_another_kind_is_pointed_at(self, lion):
        message = lion.error("chainrule.get('layers', 'lion')")
        assert "It is one of the optimizers: from chainrule.optimizers import lion." in message

    def test_a_name_of_another_distribution_is_pointed_at(self, lion):
        assert "It is registered as chainrule-lion:lion." in lion.error("chainrule.get('optimizers', 'loin:lion')")

    def test_a_file_that_the_installed_metadata_does_not_know_is_pointed_at(self, packages):
        packages.add(
            "rules",
            "[chainrule.optimizers]\nold = rules.old:Old\n",
            {"rules/__init__.py": "", "rules/old.py": "", "rules/fresh.py": ""},
        )
        message = packages.error("chainrule.get('optimizers', 'fresh')")
        assert "fresh.py exists, but the installed metadata of rules does not declare it: reinstall rules." in message

    def test_an_empty_catalogue_says_that_chainrule_is_not_installed(self):
        from chainrule.registry.hints import unknown_component

        assert "chainrule itself is not installed" in str(unknown_component("optimizers", "adam", {}, []))


class TestResolving:
    @pytest.mark.parametrize(
        "text", ["lion", "optimizers:lion", "optimizer:lion", "chainrule-lion:lion", "optimizers:chainrule-lion:lion"]
    )
    def test_every_form_of_a_name_means_the_component(self, lion, text):
        printed = lion.python(f"from chainrule import registry; print(registry.resolve('{text}').entry_point)")
        assert printed == "lion_package:Lion\n"

    @pytest.fixture
    def two_kinds(self, lion):
        lion.add("zoo", "[chainrule.schedules]\nlion = zoo:Roar\n", {"zoo.py": "class Roar: pass"})
        return lion

    def test_a_bare_name_of_two_kinds_lists_both(self, two_kinds):
        message = two_kinds.error("registry.resolve('lion')")
        assert message.startswith("AmbiguousComponentError")
        assert "Write optimizers:lion or schedules:lion." in message

    def test_the_kind_or_a_block_decides(self, two_kinds):
        code = "from chainrule import registry; print(registry.resolve('{}').entry_point)"
        assert two_kinds.python(code.format("schedule:lion")) == "zoo:Roar\n"
        assert two_kinds.python(code.format("lion"), CHAINRULE_DISABLE="optimizers:lion") == "zoo:Roar\n"
