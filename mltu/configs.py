"""Settings: YAML files, checked values, and command-line flags for every field."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import inspect
import operator
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from .utils.errors import InputError
from .utils.files import write_atomic

YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
MAX_FILE_BYTES = 1 << 17  # of a YAML file, ten times the longest; reading takes some 30 s per megabyte
MAX_DEPTH = 16  # of lists and mappings within each other in a YAML file
MAX_SHOWN = 60  # characters of a wrong value in a message
RARE_BREAKS = re.compile("[\x85\u2028\u2029]")
COMPARISONS = {"at least": operator.ge, "above": operator.gt, "at most": operator.le, "below": operator.lt}
MAX_NUMBER = 2**63  # arrays and seeds hold smaller numbers


def suggestion(name: str, names: Iterable[str]) -> str:
    """`; did you mean X?` for the name most like a wrong one; empty if none is."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def abbreviate(value: Any) -> str:
    """A wrong value for a message: on one line, at most `MAX_SHOWN` characters."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out numbers of more than some thousand digits
        return "a number of thousands of digits"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def convert(name: str, value: Any, kind: Any) -> Any:
    """Check a value against the type of a field, and convert it where its meaning is clear.

    Text becomes a number or a yes/no where the field wants one (command lines give only text, and
    YAML reads 1e-4 as text), whole numbers become floats, comma-separated text becomes a tuple.
    Types are bool, int, float, str, `Literal[...]`, `tuple[X, ...]` and `X | None`.

    Raises:
        InputError: the value does not fit the type.
    """
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        inner = next(member for member in typing.get_args(kind) if member is not type(None))
        return None if value is None or value == "none" else convert(name, value, inner)
    if origin is Literal:
        choices = typing.get_args(kind)
        if value in choices:
            return value
        if isinstance(value, bool):  # YAML reads yes and no as booleans
            same = [choice for choice in choices if choice in (YES if value else NO)]
            if same:
                return same[0]
        near = suggestion(value, choices) if isinstance(value, str) else ""
        raise InputError(f"{name}: must be one of {', '.join(map(str, choices))}, not {abbreviate(value)}{near}")
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise InputError(f"{name}: must be a list, not {abbreviate(value)}")
        item_kind = typing.get_args(kind)[0]
        items = [item.strip() if isinstance(item, str) else item for item in items]
        return tuple(convert(name, item, item_kind) for item in items if item != "")
    if kind is bool:
        if isinstance(value, str) and value.lower() in YES + NO:
            return value.lower() in YES
        if not isinstance(value, bool):
            raise InputError(f"{name}: must be yes or no, not {abbreviate(value)}")
        return value
    if kind in (int, float):
        wanted = "a whole number" if kind is int else "a number"
        try:
            if not isinstance(value, bool) and isinstance(value, (str, int, float)):
                number = kind(value)
                if kind is int and abs(number) >= MAX_NUMBER:
                    wanted = "a whole number below 2^63"
                elif isinstance(value, str) or number == value:
                    return number
        except (ValueError, OverflowError):
            pass
        raise InputError(f"{name}: must be {wanted}, not {abbreviate(value)}")
    if kind is str:
        if not isinstance(value, str):  # YAML reads 007 and 12:30 as numbers, so there is no way back
            raise InputError(f"{name}: must be text, not {abbreviate(value)}; put it in quotes")
        return value
    raise TypeError(f"{name}: fields of type {kind} are not supported")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping from a file, with the safe loader.

    Tags, deep nesting and aliases are refused; with aliases a short file can stand for more values than memory holds.

    Raises:
        InputError: the file is missing, larger than 128 KB, not UTF-8, not YAML, or not a mapping of names to values.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES >> 10} KB; a configuration has lines of name: value")
        text = content.decode("utf-8-sig")
        _check_events(text, path)
        values = yaml.safe_load(text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: the configuration cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # numbers and dates can be out of range
        raise InputError(f"{path}: not a YAML file ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path}: must hold lines of the form name: value")
    return values


def _check_events(text: str, path: str | Path) -> None:
    """Refuse aliases, tags and deep nesting before any value is built."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f"{path}: has the alias *{event.anchor[:MAX_SHOWN]}; write the value out")
        if getattr(event, "tag", None):
            tag = abbreviate(event.tag)
            raise InputError(f"{path}: not a YAML file of plain values: has the tag {tag}; leave it out")
        if depth > MAX_DEPTH:
            raise InputError(f"{path}: not a YAML file of plain values: has lists in lists, {depth} deep")


class _Dumper(yaml.SafeDumper):
    """Writes texts so that they are read back unchanged, those with rare line breaks too."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        # within single quotes, which PyYAML would choose, a line break is read as a space
        return self.represent_scalar("tag:yaml.org,2002:str", text, '"' if RARE_BREAKS.search(text) else None)

    yaml_representers = yaml.SafeDumper.yaml_representers | {str: represent_text}


class Range(NamedTuple):
    """The allowed numbers of a setting; None is no limit."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def check(self, name: str, value: Any) -> None:
        """Raise InputError if a value lies outside."""
        limits = {word.replace("_", " "): limit for word, limit in self._asdict().items() if limit is not None}
        if all(COMPARISONS[word](value, limit) for word, limit in limits.items()):
            return
        if limits.keys() == {"above", "below"}:
            wanted = f"lie between {self.above} and {self.below}"
        else:
            wanted = "be " + " and ".join(f"{word} {limit}" for word, limit in limits.items())
        raise InputError(f"{name}: must {wanted}, not {value}")


def setting(default: Any, *marks: str, **limits: float) -> Any:
    """A field of a dataclass of settings with limits as in :class:`Range`, or with marks.

    Marks are names of groups of fields, which :meth:`BaseModelConfigs.marked` lists.
    """
    return dataclasses.field(default=default, metadata={"range": Range(**limits), "marks": marks})


@contextmanager
def _naming(source: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}" if source else str(error)) from None


class BaseModelConfigs:
    """Base class of settings.

    A subclass is either a dataclass, whose typed fields are checked and become command-line flags, or a plain class
    that sets attributes in `__init__`.

    Example:
        >>> @dataclasses.dataclass
        ... class Configs(BaseModelConfigs):
        ...     height: int = 96  # image height, pixels
        >>> Configs.from_args(["--height", "64"]).height
        64
    """

    def __init__(self) -> None:
        self.model_path = None

    def __post_init__(self) -> None:
        kinds = self.field_types()
        for field in dataclasses.fields(self):
            value = convert(field.name, getattr(self, field.name), kinds[field.name])
            field.metadata.get("range", Range()).check(field.name, value)
            setattr(self, field.name, value)
        self.validate()

    def validate(self) -> None:
        """Check values against each other; subclasses raise InputError here."""

    @classmethod
    def field_types(cls) -> dict[str, Any]:
        """Name -> type of every field; empty for a class that is not a dataclass."""
        if not dataclasses.is_dataclass(cls):
            return {}
        hints = typing.get_type_hints(cls)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}

    @classmethod
    def field_comments(cls) -> dict[str, tuple[str, str]]:
        """Name -> (title of its group, comment) of the fields, from the source of the class.

        A comment line above a group of fields is its title; fields above the first title have an empty one.
        """
        comments, title = {}, ""
        for found in re.finditer(r"^    (?:# (.+)|(\w+):[^#\n]*#\s*(.+))$", inspect.getsource(cls), re.MULTILINE):
            if found[1]:
                title = found[1]
            else:
                comments[found[2]] = title, found[3]
        return comments

    @classmethod
    def marked(cls, mark: str) -> set[str]:
        """Names of the fields that have a mark, see :func:`setting`."""
        return {field.name for field in dataclasses.fields(cls) if mark in field.metadata.get("marks", ())}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = ""):
        """Build from the fields that differ from the defaults.

        If a name or value is wrong, the InputError names the source, such as a file, and suggests the nearest name.
        """
        with _naming(source):
            cls.check_names_and_types(values)
            return cls(**values)

    @classmethod
    def check_names_and_types(cls, values: Mapping[str, Any], source: str = "") -> None:
        """Check each name and the type of its value alone; arguments and errors as :meth:`from_dict`."""
        known = cls.field_types()
        with _naming(source):
            for name, value in values.items():
                if name not in known:
                    raise InputError(f"there is no setting {abbreviate(name)}{suggestion(name, known)}")
                convert(name, value, known[name])

    @classmethod
    def load(cls, configs_path: str | Path):
        """Read a YAML file that :meth:`save` wrote; InputError if it cannot be read, or a name or value is wrong.

        A dataclass checks names and values; this base class takes any name that is not that of a method.
        """
        values = read_yaml(configs_path)
        if dataclasses.is_dataclass(cls):
            return cls.from_dict(values, str(configs_path))
        configs = cls()
        for name, value in values.items():
            if name.startswith("_") or callable(getattr(cls, name, None)):
                raise InputError(f"{configs_path}: there can be no setting {abbreviate(name)}; give it another name")
            setattr(configs, name, value)
        return configs

    def serialize(self) -> dict[str, Any]:
        """All settings as plain values for YAML and JSON."""
        defaults = {
            name: value
            for base in reversed(type(self).__mro__)
            for name, value in vars(base).items()
            if not name.startswith("_") and isinstance(value, (str, int, float, bool, list, tuple, dict, type(None)))
        }
        settings = defaults | vars(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}

    def save(self, name: str = "configs.yaml") -> Path:
        """Write to `model_path`/`name`, making the folder, and return that path; ValueError without a `model_path`."""
        if not self.model_path:
            raise ValueError("model_path is not set, so there is no folder to save the configuration in")
        folder = Path(self.model_path)
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.dump(self.serialize(), Dumper=_Dumper, allow_unicode=True, sort_keys=False)
        write_atomic(folder / name, text.encode())
        return folder / name

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add a flag for every field, with its comment as help, in the groups that the class's source shows."""
        comments, kinds = cls.field_comments(), cls.field_types()
        groups: dict[str, Any] = {"": parser}
        for field in dataclasses.fields(cls):
            title, comment = comments.get(field.name, ("", ""))
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            shown = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
            default = f" [{shown}]" if shown not in ("", None, dataclasses.MISSING) else ""
            choices = typing.get_args(kinds[field.name]) if typing.get_origin(kinds[field.name]) is Literal else ("X",)
            shown = {"metavar": "|".join(choices), "help": f"{comment}{default}".replace("%", "%%")}
            groups[title].add_argument(f"--{field.name}", default=argparse.SUPPRESS, **shown)

    @classmethod
    def from_args(cls, args: Sequence[str] | None = None):
        """Build from command-line flags alone, `--field value`; errors as :meth:`from_dict`."""
        parser = ArgumentParser()
        cls.add_arguments(parser)
        return cls.from_dict(vars(parser.parse_args(args)))


class ArgumentParser(argparse.ArgumentParser):
    """A parser that reports mistakes in one line on standard error, with the most similar flag, and exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=110),
            **options,
        )

    def error(self, message: str) -> typing.NoReturn:
        found = re.match(r"unrecognized arguments: (\S+)", message)
        if found:
            flag = found[1].split("=")[0]
            message = f"there is no option {flag}{suggestion(flag, self._option_string_actions)}"
        self.exit(2, f"{self.prog}: {message}\n")
