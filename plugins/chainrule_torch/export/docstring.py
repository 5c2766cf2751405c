"""The docstring of a rule, as it stands in the file."""

from __future__ import annotations

import ast
import re

import chainrule
from chainrule_torch.export.gathering import builtin_error
from chainrule_torch.export.module_source import ModuleSource, is_text


def docstring(source: ModuleSource, node: ast.ClassDef, name: str) -> str:
    """Return a class's docstring, without paragraphs that call what the file does not have."""
    if not node.body or not is_text(node.body[0]):
        return f'    """The rule {name}."""'
    text = source.text(node.body[0])
    start = text.partition('"""')[0] + '"""'
    if not text.endswith('"""'):
        return f"    {text}"
    paragraphs = re.split(r"\n[ \t]*\n", text[len(start) : -3].rstrip())
    kept = [paragraphs[0], *(each for each in paragraphs[1:] if not _calls_chainrule(each))]
    joined = "\n\n".join(kept)
    for word in set(re.findall(r"\w+Error", joined)):
        if (error := getattr(chainrule, word, None)) is not None:
            joined = re.sub(rf"\b{word}\b", builtin_error(error), joined)
    return f'    {start}{joined}"""' if len(kept) == 1 and "\n" not in joined else f'    {start}{joined}\n    """'


def _calls_chainrule(paragraph: str) -> bool:
    """Whether code in a paragraph of prose calls something by a name of its own."""
    if re.match(r"\s*\w+:", paragraph):
        return False
    for code in re.findall(r"``(.+?)``", paragraph, re.DOTALL):
        try:
            tree = ast.parse(" ".join(code.split()), mode="eval")
        except SyntaxError:
            continue
        if any(isinstance(node, ast.Call) for node in ast.walk(tree)):
            return True
    return False
