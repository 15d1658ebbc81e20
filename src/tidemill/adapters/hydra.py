"""Compose an experiment with Hydra from a recipe's groups and overrides.

Used in command and trainer processes only, because Hydra's state is global to a process; threads
compose one after the other. It is loaded where an experiment is composed: it takes a quarter of a
second, and most commands need none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from glob import escape, iglob
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from tidemill.domain.errors import UsageError

MISSING = "???"
"""Stands for a value that a person has to give."""

MAPPING = "Write {KEY:VALUE,KEY:VALUE}, in quotes for the shell, and odd values in quotes too."
ONE_VALUE = "Write [A,B] for a list, {KEY:VALUE} for a mapping, and a text with commas in quotes."
SPELLED = "_tidemill_u{:x}_"
CHOICES = 64
"""The number of compositions that a process keeps."""

_GLOBAL_STATE = Lock()


def resolve(conf: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the resolved tree as plain values.

    An option may list in `needs` the options of other groups that it requires: `needs: {train:
    {model: bert}}` in a plan restricts it to this model. The key itself is left out of the tree.
    Raises UsageError that names the key and the closest known one, the invalid value, the missing
    value, or two options that do not fit together.
    """
    pairs = [_split(override) for override in overrides]
    groups = set(options(conf))
    chosen = [f"{key}={value}" for key, value in pairs if key in groups]
    choice = _compose(conf, chosen)
    for key, _ in pairs:
        if key not in groups | choice.keys:
            hint = _elsewhere(conf, key) or _closest(key, groups | choice.keys)
            raise UsageError(f"There is no setting {key!r}.", hint=hint)
    _must_agree(choice)
    tree = _tree(choice.unresolved, [(key, value) for key, value in pairs if key not in groups])
    if missing := [key for key, value in flatten(tree) if value == MISSING]:
        raise UsageError(f"{missing[0]} is needed.", hint=f"Add {missing[0]}=VALUE.")
    return tree


def read_defaults(conf: Path) -> dict[str, Any]:
    """Return the tree without overrides; a value that a person has to give is `MISSING`.

    Raises UsageError when it cannot be composed.
    """
    return _tree(_compose(conf, []).unresolved, [])


def options(conf: Path) -> dict[str, list[str]]:
    """Return the groups of a recipe, its own and those it uses from elsewhere, with their options.

    Groups and options are in alphabetical order.
    """
    value: dict[str, set[str]] = {}
    for root in _roots(conf):
        for file in root.glob("*/*.yaml"):
            value.setdefault(file.parent.name, set()).add(file.stem)
    return {group: sorted(value[group]) for group in sorted(value)}


def parse_mapping(text: str) -> dict[str, Any]:
    """Return the mapping that an override such as `{plant:species}` writes. Raises UsageError."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        value = OverridesParser.create().parse_override(f"key={_spell(text)}").value()
    except HydraException as error:
        raise _explained(error, [text]) from error
    if not isinstance(value, dict):
        raise UsageError(f"{text!r} is no mapping.", hint=MAPPING)
    return _plain(value)


def quote(key: str, value: str) -> str:
    """Return a path quoted for Hydra, so that any characters form one text.

    An empty path is missing. Otherwise it would mean the current folder.
    """
    if key.rpartition(".")[2] != "path":
        return value
    if value in ("", MISSING):
        return MISSING
    path = str(Path(value).expanduser().absolute())
    # OmegaConf unescapes backslashes only before an interpolation: double those, then escape it.
    path = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + "\\${", path)
    # Hydra unescapes a backslash only where a quote follows: double those, then escape the quote.
    escaped = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + (m[2] and "\\'"), path)
    return f"'{escaped}'"


def _split(override: str) -> tuple[str, str]:
    if not isinstance(override, str):
        raise UsageError(
            f"{override!r} is no override.",
            hint="Give each as a text of its own, such as 'train.epochs=4', 'seed=7'.",
        )
    key, equals, value = override.partition("=")
    if not equals or not key.strip("+~"):
        raise UsageError(
            f"{override!r} is no override.", hint="Write KEY=VALUE, such as train.epochs=4."
        )
    return key, value


class _Choice(NamedTuple):
    """What the chosen options give, before values are overridden and interpolations resolved.

    `keys` are those of the tree, of mappings inside a group too; `chosen` has the option of every
    group, `needs` the requirements of the chosen options.
    """

    unresolved: Mapping[Any, Any]
    keys: frozenset[str]
    needs: Mapping[str, Mapping[str, str]]
    chosen: Mapping[str, str]


def _compose(conf: Path, chosen: Sequence[str]) -> _Choice:
    conf = conf.absolute()
    return _compose_once(conf, tuple(chosen), _stamps(conf))


class _Stamp(NamedTuple):
    """What changes when a file does. A file that is not there, such as a broken link, has zeros."""

    file: str
    inode: int = 0
    changed_ns: int = 0
    size: int = 0


def _stamp(file: str) -> _Stamp:
    try:
        status = Path(file).stat()
    except OSError:
        return _Stamp(file)
    return _Stamp(file, status.st_ino, status.st_ctime_ns, status.st_size)


def _stamps(conf: Path) -> tuple[_Stamp, ...]:
    """Return the stamp of every file of the groups, also behind a link to a folder."""
    patterns = (str(Path(escape(str(root)), "**", "*.yaml")) for root in _roots(conf))
    # Path.rglob of Python 3.11 follows no links.
    files = {file for row in patterns for file in iglob(row, recursive=True)}  # noqa: PTH207
    return tuple(_stamp(file) for file in sorted(files))


@lru_cache(maxsize=CHOICES)
def _compose_once(conf: Path, chosen: tuple[str, ...], stamps: tuple[_Stamp, ...]) -> _Choice:
    """Compose the options; a quarter of a second, so each choice of the same files once."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    try:
        with (
            _GLOBAL_STATE,
            initialize_config_dir(str(conf), version_base="1.3", job_name="tidemill"),
        ):
            composed = compose("config", list(chosen), return_hydra_config=True)
            with open_dict(composed):
                choices: Any = OmegaConf.to_container(composed.pop("hydra").runtime.choices)
                needs: Any = OmegaConf.to_container(composed.pop("needs", OmegaConf.create()))
            unresolved: Any = OmegaConf.to_container(composed)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        # Hydra raises ValueError for a group that is set to null.
        raise _explained(error, chosen) from error
    return _Choice(unresolved, _keys(_tree(unresolved, [])), needs, choices)


def _tree(unresolved: Mapping[Any, Any], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the tree with these values in it and every interpolation resolved."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = OmegaConf.create(dict(unresolved))
    OmegaConf.set_struct(config, True)
    lines = [
        f"{key}={_spell(value) if value.startswith('{') else quote(key, value)}"
        for key, value in pairs
    ]
    try:
        for override in OverridesParser.create().parse_overrides(lines):
            line, value = _read_spelled(str(override.input_line)), override.value()
            if override.is_sweep_override():
                raise UsageError(f"Cannot read {line}: these are several values.", hint=ONE_VALUE)
            # Only a mapping takes keys that are new; what does not belong is refused later.
            added = isinstance(value, dict)
            OmegaConf.update(config, override.key_or_group, value, merge=True, force_add=added)
        tree: Any = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(error, lines) from error
    return _plain(tree)


def _plain(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a tree whose keys are texts: YAML and overrides read `1` and `true` as other types."""
    return {
        str(key).lower() if isinstance(key, bool) else _read_spelled(str(key)): _plain_value(value)
        for key, value in tree.items()
    }


def _plain_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, list):
        return [_plain_value(each) for each in value]
    return _read_spelled(value) if isinstance(value, str) else value


def _spell(text: str) -> str:
    """Return a mapping in ASCII: Hydra takes no other letters as keys, not even in quotes."""
    return re.sub(r"[^\x00-\x7f]", lambda match: SPELLED.format(ord(match[0])), text)


def _read_spelled(text: str) -> str:
    """Return the text that `_spell` spelled."""
    return re.sub(SPELLED.format(0).replace("0", "([0-9a-f]+)"), _letter, text)


def _letter(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _must_agree(choice: _Choice) -> None:
    """Raise UsageError for an option without another option that it needs."""
    for group, others in choice.needs.items():
        for other, option in others.items():
            value = choice.chosen.get(other)
            if value != option:
                raise UsageError(
                    f"{group}={choice.chosen[group]} is for {other}={option}, not for {value}.",
                    hint=f"Add {other}={option}, or choose another {group}.",
                )


def _explained(error: Exception, overrides: Sequence[str]) -> UsageError:
    from hydra.errors import MissingConfigException

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        options = sorted(error.options or [])
        close = difflib.get_close_matches(option, options, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There is {', '.join(options)}."
        return UsageError(f"{group}={option} is not known.", hint=hint)
    what = " ".join(overrides) or "the configuration"
    message = f"Cannot read {what}: {lines[0].rstrip('.')}."
    mapping = any(re.match(r"([^={]+=)?\{", override) for override in overrides)
    return UsageError(_read_spelled(message), hint=MAPPING if mapping else "")


def _elsewhere(conf: Path, key: str) -> str:
    """Return a hint when the key exists under other choices of its group."""
    group = key.partition(".")[0]
    known = [
        f"{group}={option}"
        for option in options(conf).get(group, ())
        if key in _compose(conf, [f"{group}={option}"]).keys
    ]
    return f"It belongs to {' or '.join(known)}; add that." if known else ""


def _roots(conf: Path) -> Iterator[Path]:
    """Yield the folders in which Hydra looks for groups: the recipe's own, then its search path."""
    yield conf
    for entry in _search_path(_stamp(str(conf / "config.yaml"))):
        kind, _, place = entry.partition("://")
        if kind == "file":
            yield Path(place)
        elif (spec := find_spec(place)) and spec.submodule_search_locations:
            yield Path(spec.submodule_search_locations[0])


@lru_cache(maxsize=CHOICES)
def _search_path(config: _Stamp) -> tuple[str, ...]:
    from omegaconf import OmegaConf

    return tuple(OmegaConf.select(OmegaConf.load(config.file), "hydra.searchpath", default=()))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a tree with its dotted key; an empty mapping is a value."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _keys(tree: Mapping[str, Any]) -> frozenset[str]:
    mappings = frozenset(
        f"{group}.{key}"
        for group, values in tree.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
        if isinstance(value, Mapping)
    )
    return mappings.union(key for key, _ in flatten(tree))


def _closest(key: str, known: Set[str]) -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else "`tidemill config coffee` lists them all."
