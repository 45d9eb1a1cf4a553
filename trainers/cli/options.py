"""Verbs whose options are the fields of a configuration, and everything that their help says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter as Slot
from inspect import signature
from typing import Annotated, Any, Literal, get_type_hints

from cyclopts import Parameter

from trainers.methods.settings import Setting, attribute_texts


def verb_with_settings(
    function: Callable[..., int | None],
    *fixed: Any,
    name: str,
    summary: str,
    described: Iterable[Setting],
    defaults: Mapping[str, Any],
) -> Callable[..., int | None]:
    """A verb that takes the options of a function and those of settings.

    Parameters
    ----------
    function
        It is called with the ``fixed`` arguments and a dictionary of the settings that were given, by name; then come
        options, which its docstring has under Parameters.
    name
        Of the verb.
    summary
        What the verb does: the beginning of its help.
    described
        The settings. One that has a single choice is no option.
    defaults
        What the help says of each setting that is not given, by its name; it can say it of options, too.
    """
    shown = {setting.name: setting for setting in described if len(setting.choices) != 1}
    hints, texts = get_type_hints(function, include_extras=True), attribute_texts(function, "Parameters")
    texts |= {setting.name: setting.text for setting in shown.values()}
    options = list(signature(function).parameters.values())[len(fixed) + 1 :]
    options = [option.replace(annotation=_annotation(hints[option.name], defaults.get(option.name))) for option in options]
    first = [option for option in options if option.kind is Slot.POSITIONAL_ONLY or option.default is Slot.empty]
    slots = [*first, *(_slot(setting, defaults[setting.name]) for setting in shown.values())]
    slots += [option for option in options if option not in first]

    def verb(*positional: Any, **given: Any) -> int | None:
        changes = {key: value for key, value in given.items() if key in shown and value is not None}
        return function(*fixed, changes, *positional, **{key: value for key, value in given.items() if key not in shown})

    listed = "\n".join(f"{slot.name}\n    {texts[slot.name]}" for slot in slots)
    verb.__name__ = verb.__qualname__ = name
    verb.__doc__ = f"{summary}\n\nParameters\n----------\n{listed}\n"
    verb.__annotations__ = {slot.name: slot.annotation for slot in slots}
    verb.__signature__ = signature(function).replace(parameters=slots)  # type: ignore[attr-defined]
    return verb


def preset_setting(presets: Mapping[str, Any]) -> Setting:
    """The choice of a configuration to start from."""
    hint = Literal[tuple(presets)]  # type: ignore[valid-type]
    return Setting("preset", hint, str, False, tuple(presets), "Configuration to start from; other options go before it.")


def _annotation(hint: Any, default: str | None) -> Any:
    """The type of an option, with what the help says of it where it is not given."""
    return hint if default is None else Annotated[hint, Parameter(show_default=default)]


def _slot(setting: Setting, default: Any) -> Slot:
    """The option of a setting: None unless it is given, so that presets and resumed runs know."""
    words = "" if default is None else " ".join(map(_shown, default if setting.many else (default,)))
    marks = [Parameter(show_default=words or False)]
    if setting.many:
        marks.append(Parameter(consume_multiple=True, negative=""))
    return Slot(setting.name, Slot.KEYWORD_ONLY, default=None, annotation=Annotated[setting.hint, *marks])


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
