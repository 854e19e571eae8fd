"""What a plug-in must be before it is called: of its kind, or a function that says that it returns one."""

from __future__ import annotations

import importlib
import inspect
from functools import cached_property
from typing import Any, get_type_hints


class Contract:
    """The class that all parts of a kind follow.

    Most are base classes. A protocol has no subclasses: whoever has all of its methods follows it.

    Args:
        path: `module:Class`, imported when it is first asked for.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __str__(self) -> str:
        return self.path.replace(":", ".")

    @cached_property
    def base(self) -> type:
        """The class."""
        module, _, name = self.path.partition(":")
        found: type = getattr(importlib.import_module(module), name)
        return found

    @property
    def expected(self) -> str:
        """What may be named, for a person."""
        name = self.base.__name__
        methods = f" with the methods {', '.join(self._methods)}" if self._methods else ""
        what = f"a class{methods}, as {self} has them" if methods else f"a subclass of {self}"
        return f"{what}, or a function that is annotated to return one (`def make(...) -> {name}:`)"

    def is_met_by(self, found: object) -> bool:
        """Whether a name may stand for this: a class of the kind, or a function that declares to return one."""
        if inspect.isclass(found):
            return self._is_followed_by(found)
        return inspect.isroutine(found) and self._is_declared_by(found)

    def is_met_by_part(self, part: object) -> bool:
        """Whether what was built is of the kind."""
        return self._is_followed_by(type(part))

    def _is_declared_by(self, function: Any) -> bool:
        try:
            declared = get_type_hints(function).get("return")
        except (
            NameError,
            TypeError,
        ):  # of hints that exist for the type checker only the name tells; builtins have none
            written = str(getattr(function, "__annotations__", {}).get("return", ""))
            return written.rpartition(".")[2].strip("'\"") == self.base.__name__
        return declared is self.base or (inspect.isclass(declared) and self._is_followed_by(declared))

    def _is_followed_by(self, found: type) -> bool:
        if self._methods:
            return found is not self.base and all(callable(getattr(found, name, None)) for name in self._methods)
        return issubclass(found, self.base)

    @cached_property
    def _methods(self) -> list[str]:
        """Of a protocol; none of a base class."""
        if not getattr(self.base, "_is_protocol", False):
            return []
        return [name for name, value in vars(self.base).items() if inspect.isfunction(value) and name[0] != "_"]
