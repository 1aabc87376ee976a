"""Configuration files and command-line overrides, read strictly."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from scrcl._typed import read_mapping, read_yaml
from scrcl._validate import InputError, shown
from scrcl.config.sections import SECTIONS, Config, Section, Task, paper_defaults


def configs_dir() -> Path:
    """Return the folder of the shipped configurations: in the wheel, else in the repository."""
    package = Path(__file__).parents[1]
    packaged = package / "configs"
    return packaged if packaged.is_dir() else package.parent / "configs"


def load_config(path: str | Path, task: Task) -> Config:
    """Read a YAML file on top of the paper's defaults of ``task``.

    Raises
    ------
    InputError
        If the file cannot be read, is not YAML, is made for the other task, or holds an unknown
        key or a value that is not allowed.
    """
    path = Path(path)
    base = paper_defaults(task)
    try:
        return _apply(base, read_mapping(path))
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from None


def config_from_text(text: str, task: Task) -> Config:
    """Read what `to_yaml` wrote.

    Raises
    ------
    InputError
        If it is not YAML, or as for `load_config`.
    """
    try:
        values = read_yaml(text)
    except InputError as error:
        msg = f"config: {error}"
        raise InputError(msg) from None
    if not isinstance(values, dict):
        msg = f"config: got {shown(values)}, wanted a mapping with keys among {list(SECTIONS)}."
        raise InputError(msg)
    data = values.get("data")
    if isinstance(data, dict) and "values" in data and "model_input" not in data:
        # Written before the network's input got a name of its own.
        values = values | {"data": data | {"model_input": data["values"], "values": "auto"}}
    return _apply(paper_defaults(task), values)


def override(config: Config, values: Mapping[str, object]) -> Config:
    """Return ``config`` with some values replaced.

    Parameters
    ----------
    config
        Where to start; not changed.
    values
        Key to value. A key is dotted (``train.lr``) or bare (``lr``); a string is read as YAML,
        as it comes from the command line (``"0.001"``, ``"[5, 0]"``, ``"null"``).

    Raises
    ------
    InputError
        If a key is unknown or a value not allowed.
    """
    changes: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        section, name = _locate(config, key)
        changes.setdefault(section, {})[name] = _parse(key, value)
    return _apply(config, changes)


def to_yaml(config: Config) -> str:
    """Write the whole configuration as YAML that `load_config` reads back."""
    plain = dataclasses.asdict(config)
    plain["data"]["n_smooth"] = list(config.data.n_smooth)
    return yaml.safe_dump(plain, sort_keys=False)


def _apply(config: Config, changes: Mapping[str, object]) -> Config:
    _check_known(changes, ("task", *SECTIONS), "section")
    task = changes.get("task", config.task)
    if task != config.task:
        msg = f"task: got {shown(task)}, wanted {config.task!r}. Use the script made for that task."
        raise InputError(msg)
    sections: dict[str, Any] = {
        name: _apply_section(config, name, changes[name])
        for name in SECTIONS
        if changes.get(name) is not None
    }
    return dataclasses.replace(config, **sections)


def _apply_section(config: Config, name: str, changes: object) -> Section:
    section: Section = getattr(config, name)
    known = [item.name for item in dataclasses.fields(section)]
    if not isinstance(changes, dict):
        msg = f"{name}: got {shown(changes)}, wanted a mapping with keys among {known}."
        raise InputError(msg)
    _check_known(changes, known, f"key in section {name!r}")
    return dataclasses.replace(section, **changes)


def _check_known(changes: Mapping[str, object], known: Iterable[str], what: str) -> None:
    known = list(known)
    unknown = [key for key in changes if key not in known]
    if unknown:
        msg = f"unknown {what}: got {shown(unknown)}, wanted some of {known}."
        raise InputError(msg)


def _locate(config: Config, key: str) -> tuple[str, str]:
    """Find section and name of a dotted or bare key."""
    known = [
        (section, item.name)
        for section in SECTIONS
        for item in dataclasses.fields(getattr(config, section))
    ]
    places = [(section, name) for section, name in known if key in (name, f"{section}.{name}")]
    if len(places) == 1:
        return places[0]
    problem = "ambiguous" if places else "unknown"
    allowed = [f"{section}.{name}" for section, name in places or known]
    names = allowed if "." in key else [name for _, name in known]
    close = [] if places else difflib.get_close_matches(key, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    msg = f"{problem} key: got {key!r}, wanted one of {allowed}.{hint}"
    raise InputError(msg)


def _parse(key: str, value: object) -> object:
    """Read a command-line string as YAML; ``none`` and ``5,0`` may be written plainly."""
    if not isinstance(value, str):
        return value
    if value.lower() == "none":
        return None
    text = f"[{value}]" if "," in value and not value.lstrip().startswith("[") else value
    try:
        return read_yaml(text)
    except InputError:
        msg = f"{key}: got {shown(value)}, wanted a single YAML value."
        raise InputError(msg) from None
