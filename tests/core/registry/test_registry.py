"""Finding, loading, blocking and disputing components, with real distributions in new processes."""

import pytest


def test_a_third_partys_component_is_found_and_loaded_by_name(liger):
    assert liger.python("import chainrule; print(chainrule.create('optimizers', 'liger', lr=2).lr)") == "2\n"


def test_finding_imports_neither_torch_nor_any_plugin(liger):
    printed = liger.python(
        "import sys, chainrule\n"
        "found = chainrule.components()\n"
        "assert any(component.name == 'liger' for component in found)\n"
        "print([name for name in ('torch', 'liger_package', 'chainrule_plugins') if name in sys.modules])"
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


def test_pluggy_holds_every_usable_record_under_its_key(liger):
    printed = liger.python(
        "from chainrule.registry.catalogue import Catalogue\n"
        "held = dict(Catalogue().manager.list_name_plugin())\n"
        "print(held['optimizers:liger'].entry_point, held['optimizers:liger'].version)"
    )
    assert printed == "liger_package:Liger 1.0\n"


@pytest.mark.parametrize("kind", ["optimizer", "optimizers", "Optimizers"])
def test_kinds_are_accepted_in_singular_and_plural(liger, kind):
    assert "liger_package.Liger" in liger.python(f"import chainrule; print(chainrule.get('{kind}', 'liger'))")


def test_an_unknown_kind_is_answered_with_the_nearest(packages):
    message = packages.error("chainrule.get('optimisers', 'adam')")
    assert message.startswith(
        'UnknownComponentError No kind of component is called "optimisers". Did you mean "optimizers"'
    )


def test_of_two_copies_of_a_distribution_the_first_on_the_path_counts(packages):
    for version, folder in (("2.0", "first"), ("1.0", "second")):
        packages.add(
            "chainrule-liger",
            "[chainrule.optimizers]\nliger = liger_package:Liger\n",
            {"liger_package.py": f"class Liger: version = {version}"},
            version=version,
            folder=folder,
        )
    printed = packages.python(
        "from chainrule import registry\n"
        "found = registry.resolve('liger')\n"
        "print(found.version, registry.state(found), registry.load(found).version)"
    )
    assert printed == "2.0 declared 2.0\n"


class TestCollisions:
    @pytest.fixture
    def rivals(self, liger):
        liger.add(
            "other-liger",
            "[chainrule.optimizers]\nliger = other_liger:Liger\n",
            {"other_liger.py": "class Liger: pass"},
        )
        return liger

    def test_the_bare_name_raises_and_lists_both(self, rivals):
        message = rivals.error("chainrule.get('optimizers', 'liger')")
        assert message.startswith("AmbiguousComponentError")
        assert "chainrule-liger (liger_package:Liger)" in message
        assert "other-liger (other_liger:Liger)" in message

    def test_the_name_with_its_distribution_says_which(self, rivals):
        printed = rivals.python(
            "import chainrule\n"
            "print(chainrule.get('optimizers', 'other-liger:liger').__module__)\n"
            "print(chainrule.get('optimizers', 'Chainrule_Liger:liger').__module__)"
        )
        assert printed.split() == ["other_liger", "liger_package"]

    def test_blocking_one_side_leaves_the_other(self, rivals):
        printed = rivals.python(
            "import chainrule; print(chainrule.get('optimizers', 'liger').__module__)",
            CHAINRULE_DISABLE="dist:other-liger",
        )
        assert printed == "liger_package\n"

    def test_a_built_in_is_never_shadowed(self, packages):
        packages.add("usurper", "[chainrule.optimizers]\nadam = usurper:Adam\n", {"usurper.py": "class Adam: pass"})
        message = packages.error("chainrule.get('optimizers', 'adam')")
        assert message.startswith('AmbiguousComponentError optimizers: "adam" must be registered once')
        assert message.rstrip().endswith("or set CHAINRULE_DISABLE=dist:usurper.")
        own = packages.python("from chainrule import registry; print(registry.resolve('chainrule:adam').entry_point)")
        assert own == "chainrule_plugins.optimizers.adam:Adam\n"


class TestBlocking:
    @pytest.mark.parametrize(
        "entry", ["optimizers:liger", "optimizer:liger", " dist:Chainrule_Liger ,", "layers:x,dist:chainrule-liger"]
    )
    def test_a_blocked_component_is_listed_but_not_imported(self, liger, entry):
        message = liger.error("chainrule.get('optimizers', 'liger')", CHAINRULE_DISABLE=entry)
        assert message.startswith(
            'BlockedComponentError optimizers: "liger" of chainrule-liger is disabled by CHAINRULE_DISABLE='
        )
        state = liger.python(
            "from chainrule import registry\n"
            "print([registry.state(c) for c in registry.components('optimizers') if c.name == 'liger'])",
            CHAINRULE_DISABLE=entry,
        )
        assert state == "['blocked']\n"

    def test_blocking_one_component_leaves_the_others(self, liger):
        printed = liger.python(
            "from chainrule import registry; print('liger' in registry.names('optimizers'))",
            CHAINRULE_DISABLE="layers:liger",
        )
        assert printed == "True\n"

    @pytest.mark.parametrize(
        "entry", ["liger", "dist:", "optimisers:liger", "optimizers:", "optimizers:chainrule-liger:liger"]
    )
    def test_an_entry_of_another_form_is_refused(self, packages, entry):
        message = packages.error("chainrule.components()", CHAINRULE_DISABLE=entry)
        assert message.startswith(
            "ChainruleError CHAINRULE_DISABLE: every entry must be KIND:NAME or dist:DISTRIBUTION"
        )
        assert f'got "{entry}"' in message


@pytest.mark.parametrize("name", ["Liger", "class", "my-liger", "2liger", "_liger"])
def test_a_name_that_could_not_be_imported_is_invalid(packages, name):
    packages.add("odd", f"[chainrule.optimizers]\n{name} = odd:Liger\n", {"odd.py": "class Liger: pass"})
    printed = packages.python(
        "from chainrule import registry\n"
        "print([registry.state(c) for c in registry.components() if c.distribution == 'odd'])"
    )
    assert printed == "['invalid']\n"
    assert f'must match [a-z][a-z0-9_]* and not be a Python keyword, got "{name}"' in packages.error(
        f"chainrule.get('optimizers', '{name}')"
    )


BROKEN = {
    "its module raises": ("broken:Liger", "raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
    "its module leaves Python": ("broken:Liger", "raise SystemExit(3)", "SystemExit: 3"),
    "its module does not exist": ("nowhere:Liger", "", "No module named 'nowhere'"),
    "its class does not exist": ("broken:Liger", "", "has no attribute 'Liger'"),
    "its address makes no sense": ("broken Liger", "", "its entry point must be"),
    "it cannot be called": ("broken:Liger", "Liger = 3", "must be a class or a function, got a value of type int"),
}


@pytest.mark.parametrize(("address", "source", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_component_says_why_and_breaks_nothing_else(liger, address, source, cause):
    liger.add("broken", f"[chainrule.optimizers]\nbroken = {address}\n", {"broken.py": source})
    message = liger.error("chainrule.get('optimizers', 'broken')")
    assert message.startswith(f"BrokenComponentError optimizers:broken ({address}) of broken 1.0 cannot be loaded: ")
    assert cause in message
    assert message.count("\n") == 1
    assert "liger_package.Liger" in liger.python("import chainrule; print(chainrule.get('optimizers', 'liger'))")


def test_the_cause_of_a_broken_component_is_chained(packages):
    packages.add("broken", "[chainrule.optimizers]\nbroken = broken:Liger\n", {"broken.py": "1 / 0"})
    printed = packages.python(
        "import chainrule\n"
        "try: chainrule.get('optimizers', 'broken')\n"
        "except chainrule.BrokenComponentError as error: print(repr(error.__cause__))"
    )
    assert printed == "ZeroDivisionError('division by zero')\n"


@pytest.mark.parametrize("text", [b"[chainrule.optimizers]\n\xff\xfe = x:Y\n", b"[chainrule.optimizers]\nno address\n"])
def test_metadata_that_cannot_be_read_is_a_problem_of_its_own(liger, text):
    liger.add("garbled", text)
    printed = liger.python(
        "from chainrule import registry\n"
        "print('liger' in registry.names('optimizers'), len(registry.problems()), registry.problems()[0])"
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
            (CONTRIBUTION.replace("@hookimpl\n", ""), "with @chainrule.hookimpl, got chainrule_components without it"),
            (
                CONTRIBUTION + "def chainrule_checks(): pass\n",
                "with @chainrule.hookimpl, got chainrule_checks without it",
            ),
            ("", "must be a module that implements chainrule_checks or chainrule_components, got <module"),
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

    def test_an_entry_point_that_names_the_function_is_reported(self, packages):
        points = "[chainrule.hooks]\nbridge = bridge_hooks:chainrule_components\n"
        packages.add("bridge", points, {"bridge_hooks.py": self.CONTRIBUTION})
        printed = packages.python("from chainrule import registry\nprint(*registry.problems())")
        assert "it must be a module that implements chainrule_checks or chainrule_components, got <function" in printed


class TestUnknownNames:
    def test_the_nearest_name_and_both_ways_to_add_one_are_given(self, liger):
        message = liger.error("chainrule.get('optimizers', 'liegr')")
        assert message.startswith('UnknownComponentError No optimizer is registered as "liegr". Did you mean "liger"?')
        assert "Installed: chainrule list optimizers." in message
        assert '[project.entry-points."chainrule.optimizers"]' in message
        assert 'chainrule.register("optimizers", "liegr", …)' in message

    def test_a_class_in_a_file_is_told_how_to_be_registered(self):
        from chainrule.registry.hints import unknown_component

        message = str(unknown_component("optimizers", "./my_rule.py:Mine", {}, []))
        assert 'Import Mine from that file and write chainrule.register("optimizers", "my_mine", Mine).' in message

    def test_a_name_of_another_kind_is_pointed_at(self, liger):
        message = liger.error("chainrule.get('layers', 'liger')")
        assert "It is one of the optimizers: from chainrule.optimizers import liger." in message

    def test_a_name_of_another_distribution_is_pointed_at(self, liger):
        assert "It is registered as chainrule-liger:liger." in liger.error("chainrule.get('optimizers', 'lgier:liger')")

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
        "text",
        ["liger", "optimizers:liger", "optimizer:liger", "chainrule-liger:liger", "optimizers:chainrule-liger:liger"],
    )
    def test_every_form_of_a_name_means_the_component(self, liger, text):
        printed = liger.python(f"from chainrule import registry; print(registry.resolve('{text}').entry_point)")
        assert printed == "liger_package:Liger\n"

    @pytest.fixture
    def two_kinds(self, liger):
        liger.add("zoo", "[chainrule.schedules]\nliger = zoo:Roar\n", {"zoo.py": "class Roar: pass"})
        return liger

    def test_a_bare_name_of_two_kinds_lists_both(self, two_kinds):
        message = two_kinds.error("registry.resolve('liger')")
        assert message.startswith("AmbiguousComponentError")
        assert "Write optimizers:liger or schedules:liger." in message

    def test_the_kind_or_a_block_decides(self, two_kinds):
        code = "from chainrule import registry; print(registry.resolve('{}').entry_point)"
        assert two_kinds.python(code.format("schedule:liger")) == "zoo:Roar\n"
        assert two_kinds.python(code.format("liger"), CHAINRULE_DISABLE="optimizers:liger") == "zoo:Roar\n"
