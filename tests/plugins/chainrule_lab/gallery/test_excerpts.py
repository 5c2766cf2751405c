import html
import re

import pytest
import torch

from chainrule import Optimizer, registry
from chainrule.optimizers import lookahead, rprop, sgd
from chainrule_lab.gallery.excerpts import highlighted, prose, rule_source


def text(markup):
    return html.unescape(re.sub("<[^>]*>", "", markup))


def test_code_is_marked_papers_are_linked_and_all_else_escaped():
    shown = prose("``a < b`` & <b>,\n  arXiv:2302.06675, ``x``; ``y``")
    assert shown == (
        "<code>a &lt; b</code> &amp; &lt;b&gt;, "
        '<a href="https://arxiv.org/abs/2302.06675">arXiv:2302.06675</a>, <code>x</code>; <code>y</code>'
    )
    assert prose("``x``; ``y``, ``z`` or ``w``", True) == (
        "<code>x</code><br><code>y</code><br><code>z</code> or <code>w</code>"
    )


CODE = 'def f(x):  # a <b>\n    return "</pre>" if x < 0x1F else """\n& two lines"""\n'


def test_highlighted_code_is_the_code():
    shown = highlighted(CODE)
    assert text(shown) == CODE
    assert '<span class="k">def</span> <span class="d">f</span>(x):' in shown
    assert '<span class="s">&#34;&lt;/pre&gt;&#34;</span>' in shown
    assert '<span class="n">0x1F</span>' in shown
    assert '<span class="c"># a &lt;b&gt;</span>' in shown


@pytest.mark.parametrize("code", ["", "x = (", "'''", "if:\n  a\n b < c"])
def test_what_is_no_python_is_shown_as_it_is(code):
    assert text(highlighted(code)) == code


def test_what_is_no_python_is_escaped():
    assert highlighted("x = (  # <b>") == "x = (  # &lt;b&gt;"


def test_the_methods_that_a_rule_writes_are_shown_without_those_of_its_base():
    source = text(rule_source(rprop()))
    assert re.findall("^def (\\w+)", source, re.MULTILINE) == ["init", "update"]
    assert 'state["Δ"].mul_(factor)' in source
    wrapper = text(rule_source(lookahead(inner=sgd(), k=2)))
    assert re.findall("^def (\\w+)", wrapper, re.MULTILINE) == ["init", "after_step"]


class Child(type(sgd())):
    def scalars(self, t):
        return {}


def test_what_a_rule_inherits_from_another_rule_is_shown_too():
    assert re.findall("^def (\\w+)", text(rule_source(Child())), re.MULTILINE) == ["init", "scalars", "update"]


def test_a_rule_without_a_source_has_none():
    made = {"Optimizer": Optimizer, "torch": torch}
    exec("class Typed(Optimizer):\n    def update(self, parameter, grad, state, step):\n        return grad", made)  # noqa: S102
    assert rule_source(made["Typed"]()) == ""


@pytest.mark.usefixtures("third_party")
def test_a_hostile_rule_shows_no_markup_of_its_own():
    rule = registry.get("optimizers", "hostile")()
    assert "<script" not in rule_source(rule)
    assert "</code></pre><script>alert(4)</script>" in text(rule_source(rule))
