"""`checked_text`: the text of an exported file, once it has been tried beside the adapter."""

from __future__ import annotations

from chainrule import ChainruleError
from chainrule.errors import label, one_line
from chainrule_torch.adapter.group_settings import GroupSettings
from chainrule_torch.export.chosen import Chosen
from chainrule_torch.export.exported_file import exported
from chainrule_torch.export.trial import imported, parting

STEPS = 12
"""Steps that the file must take as the adapter does."""


def checked_text(choice: Chosen, command: str) -> str:
    """Return the text of a file that takes the steps of `chainrule_torch.optimizer`, to the bit in float32 and float64.

    Raises:
        ChainruleError: if there is no such file.
    """
    cause: Exception | None = None
    text = exported(choice.rule, choice.title, command, required=choice.required)
    try:
        found = parting(choice.rule, imported(text, choice.title), arguments_of(choice), steps=STEPS)
    except ChainruleError:
        raise
    except Exception as error:  # noqa: BLE001 - of a file that lacks something, or of a rule
        found, cause = one_line(error).rstrip("."), error
    if found is not None:
        raise ChainruleError(
            f"export: {label(choice.rule)}: the file must step as chainrule_torch.optimizer does, got {found}. "
            "Train with chainrule_torch.optimizer."
        ) from cause
    return text


def arguments_of(choice: Chosen) -> dict[str, object]:
    """Return the arguments of the exported class that has the settings of the rule."""
    return {key.replace(".", "_"): value for key, value in GroupSettings(choice.rule).defaults().items()}
