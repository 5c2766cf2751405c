"""The page of a network: its picture, a table of its modules, and their formulas."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from chainrule.base.module import named_modules
from chainrule.drawing import caption, svg
from chainrule.errors import label
from chainrule.formulas import formula
from chainrule.inspection import Passage, own_count, shapes_seen, shown_shape, total

if TYPE_CHECKING:
    from chainrule import Network

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root{{color-scheme:light dark;--rim:#d5dae3;--soft:#586174}}
@media (prefers-color-scheme:dark){{:root{{--rim:#3a4456;--soft:#a3adbd}}}}
body{{font:15px/1.5 system-ui,sans-serif;margin:16px auto;padding:0 16px;max-width:1080px}}
h1{{font-size:20px;margin:0}} h2{{font-size:16px;margin:24px 0 4px}} p{{margin:4px 0 16px;color:var(--soft)}}
main>svg{{flex:none}}
main{{display:flex;flex-wrap:wrap;gap:16px 48px;align-items:flex-start}} section{{flex:1 1 343px;min-width:0}}
table{{border-collapse:collapse;font-size:13px;width:100%}} td,th{{padding:3px 4px;text-align:left}}
td{{border-top:1px solid var(--rim);overflow-wrap:anywhere}} td:nth-child(2){{white-space:nowrap}} th{{font-size:12px}}
.number{{text-align:right;font-variant-numeric:tabular-nums}}
dt{{font-weight:600;margin-top:8px}} dd{{margin:0;font-size:14px;overflow-wrap:anywhere}} dd b{{color:var(--soft)}}
</style>
<h1>{title}</h1>
<p>{total}. {caption}</p>
<main>
{picture}
<section>
<table><tr><th>module<th>output<th class="number">parameters<th class="number">‖dL/dy‖</tr>
{rows}
</table>
<h2>Formulas</h2>
<dl>{formulas}</dl>
</section>
</main>
</html>
"""


def network_page(title: str, network: Network, input_shape: tuple[int, ...], passed: Mapping[str, Passage]) -> str:
    """Return the page, which needs nothing from elsewhere."""
    return PAGE.format(
        title=escape(title),
        total=escape(total(network)),
        caption=caption(passed),
        picture=svg(network, input_shape, passed),
        rows="\n".join(_rows(network, passed)),
        formulas="\n".join(_formulas(network)),
    )


def _rows(network: Network, passed: Mapping[str, Passage]) -> list[str]:
    rows, shapes = [], shapes_seen(passed)
    for name, module in named_modules(network.module):
        count = own_count(module)
        if list(module.named_children()) and not count:
            continue
        norm = passed[name].grad_output if name in passed else None
        texts = [f"<td>{escape(text)}" for text in (f"{name} {label(module)}", shown_shape(shapes.get(name)))]
        numbers = [f"{count:,}" if count else "", "" if norm is None else f"{norm:.2g}"]
        rows.append("".join(["<tr>", *texts, *[f'<td class="number">{number}' for number in numbers]]))
    return rows


def _formulas(network: Network) -> list[str]:
    """Return the formulas of each class of module once."""
    lines = []
    for cls in dict.fromkeys(type(module) for module in network.modules()):
        lines.append(f"<dt>{escape(label(cls))}</dt>")
        for heading in ("Forward", "Backward"):
            if text := formula(cls, heading):
                lines.append(f"<dd><b>{heading}</b> {escape(text)}</dd>")
    return lines
