"""Names to objects: a short name from a table, or `package.module:attribute` for the user's own code."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from cgan_dist.bounds import ARGUMENT
from cgan_dist.config.contract import Contract
from cgan_dist.config.explanation import explain
from cgan_dist.config.plugin_path import import_plugin
from cgan_dist.config.schedule import NUMBER, SCHEDULE, Schedule
from cgan_dist.errors import UserError, close_match, shown


class Registry:
    """A table of short names for one kind of part; each value is a lazy `module:attribute` path.

    Any other `module:attribute` path works too, so a plug-in needs no registration. What is found there must be of the
    kind before it is called: whatever else Python can import is refused.

    Args:
        kind: for a person, such as "metric".
        contract: `module:Class` of what parts of this kind are.
        table: of short names.
    """

    def __init__(self, kind: str, contract: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self.contract = Contract(contract)
        self.table = dict(table)

    def resolve(self, name: str, where: str) -> Callable[..., Any]:
        """Imports the object behind `name`; it is not called.

        Args:
            name: a short name of the table, or `package.module:attribute`.
            where: the config's key path, for the error.

        Raises:
            UserError: if the name is unknown, the path cannot be imported, or what it leads to is not of the kind.
        """
        path = self.table.get(name, name)
        module_name, colon, attribute = path.partition(":")
        if not colon or not all(module_name.split(".")):
            raise UserError(
                f"{where}: unknown {self.kind} '{name}'.{close_match(name, self.table)} "
                f"Known: {', '.join(sorted(self.table))}; or give your own as 'package.module:attribute'."
            )
        try:
            module = (importlib.import_module if name in self.table else import_plugin)(module_name)
            found = getattr(module, attribute)
        except ModuleNotFoundError as error:
            raise UserError(
                f"{where}: cannot import '{path}': {error}. The module must be on PYTHONPATH or below the folder "
                "you start from."
            ) from error
        except AttributeError as error:
            raise UserError(f"{where}: module '{module_name}' has no '{attribute}'.") from error
        if not self.contract.is_met_by(found):
            what = "class" if inspect.isclass(found) else type(found).__name__
            raise self._other_kind(where, f"'{path}', a {what},")
        return found  # type: ignore[no-any-return]

    def build(self, name: str, where: str, args: Mapping[str, Any], **interface: Any) -> Any:
        """Calls the object behind `name` with the user's `args` and the `interface` that the data dictates.

        Raises:
            UserError: if an argument is unknown, missing, or dictated by the data; before anything is built. Or if a
                function returns something else than it declares.
        """
        target, values = self._checked(name, where, args, interface)
        part = target(**values, **interface)
        if not self.contract.is_met_by_part(part):
            raise self._other_kind(where, f"what '{name}' returned, a {type(part).__name__},")
        return part

    def check(self, name: str, where: str, args: Mapping[str, Any], interface: Sequence[str] = ()) -> None:
        """Checks all that `build` checks, and builds nothing.

        Args:
            name: a short name of the table, or `package.module:attribute`.
            where: the config's key path, for the error.
            args: of the user.
            interface: names of what the data dictates.

        Raises:
            UserError: as `build` does.
        """
        self._checked(name, where, args, dict.fromkeys(interface))

    def _other_kind(self, where: str, what: str) -> UserError:
        return UserError(f"{where}: {what} is no {self.kind}; expected {self.contract.expected}.")

    def _checked(
        self, name: str, where: str, args: Mapping[str, Any], interface: Mapping[str, Any]
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        target = self.resolve(name, where)
        if name in self.table:
            for key, value in args.items():
                ARGUMENT.check(_largest(value), f"{where}.args.{key}")
        self._check_arguments(target, name, where, args, interface)
        return target, self._typed(target, name, where, args)

    def _check_arguments(
        self,
        target: Callable[..., Any],
        name: str,
        where: str,
        args: Mapping[str, Any],
        interface: Mapping[str, Any],
    ) -> None:
        parameters = inspect.signature(target).parameters
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        accepted = [p for p in parameters if p not in interface and p not in ("args", "kwargs")]
        for key in args:
            if key in interface:
                raise UserError(f"{where}.args.{key}: decided by the data or the config; remove it from args.")
            if key not in parameters and not takes_any:
                raise UserError(
                    f"{where}.args.{key}: unknown argument for {self.kind} '{name}'.{close_match(key, accepted)} "
                    f"Accepted: {', '.join(accepted) or 'none'}."
                )
        given = args.keys() | interface.keys()
        missing = [
            p.name
            for p in parameters.values()
            if p.default is p.empty and p.name not in given and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        if missing:
            raise UserError(f"{where}.args: {self.kind} '{name}' also needs {', '.join(missing)}.")
        if not takes_any and (extra := interface.keys() - parameters.keys()):
            raise UserError(
                f"{where}.name: {self.kind} '{name}' does not accept {', '.join(sorted(extra))}, which cgan_dist "
                "passes to every part of this kind."
            )

    def _typed(self, target: Callable[..., Any], name: str, where: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Holds values against the target's type hints, so that `norm: bacth` fails here and not in training.

        Values are those of YAML, so a list may stand for a tuple; nothing else is converted.
        """
        try:
            call = inspect.unwrap(target.__init__) if inspect.isclass(target) else target
            hints = get_type_hints(call, include_extras=True)  # bounds such as those of `config.Count` count too
        except NameError:  # hints that exist for the type checker only
            hints = {}
        return {
            key: self._typed_one(hints[key], name, f"{where}.args.{key}", value) if key in hints else value
            for key, value in args.items()
        }

    def _typed_one(self, hint: Any, name: str, where: str, value: Any) -> Any:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
        try:
            return adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            problems = error.errors()
            if problems[0]["loc"] and problems[0]["loc"][0] in (NUMBER, SCHEDULE):
                raise UserError("\n".join(explain(problem, Schedule, where) for problem in problems)) from None
            expected = problems[0]["msg"].removeprefix("Input should be ")
            raise UserError(f"{where}: found {shown(value)}; {self.kind} '{name}' expects {expected}.") from None


def _largest(value: Any) -> int:
    """The largest whole number in a value of YAML: it becomes the side of an array, or so many modules."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return max([abs(value) if isinstance(value, int) else 0, *map(_largest, inner)])
