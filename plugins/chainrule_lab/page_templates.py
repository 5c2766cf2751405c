"""The templates of the lab's reports and pages, and the style that the reports share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape


def page_templates(package: str, **filters: Callable[..., Any]) -> Environment:
    """Return the environment of the templates of a package, which may include the lab's own, such as ``report.css``.

    Values are escaped in templates named ``….html.jinja``. A name that a template is not given is an error.

    Args:
        package: the package, such as ``chainrule_lab.bench``.
        filters: functions of values in templates, by name.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("chainrule_lab")]),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    return environment
