"""Files of settings."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from configs import ModelConfigs
from mltu.configs import BaseModelConfigs, read_yaml

from .base import Attacks, Input, Target

YAML_TOKENS = (
    *(b"&a ", b"*a", b"<<: ", b"!!python/name:os.system ", b"!!int ", b"? ", b"- ", b"{", b"}", b"]", b"|\n", b"> "),
    *(b"%TAG ", b"---\n", b"...\n", b"@", b"`", b".inf", b".nan", b"0x", b"1:1:1", b"2001-01-01", b"__class__: x\n"),
)


@cache
def yaml_files() -> list[Input]:
    short = b"dataset: table\ndata_path: lines.csv\nheight: 64\naugmentors: [RandomSlant]\nlearning_rate: 1e-4\n"
    settings = ModelConfigs(model_path="run", train_workers=1).serialize()
    whole = "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
    return [Input("configs.yaml", content) for content in (short, whole.encode(), b'vocab: "ab\\xe9"\nseed: 0x10\n')]


@cache
def yaml_attacks() -> Attacks:
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    merges = "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    texts = {
        "laughs": "a0: &a0 lol\n" + laughs,
        "merges": "a0: &a0 {x: 1}\n" + merges,
        "itself": "name: &a [*a]",
        "code": "!!python/object/apply:os.system ['touch ../secret.txt']",
        "code2": "name: !!python/object/new:type {args: [z, [], {extend: !!python/name:exec}]}",
        "code3": "name: !!python/module:antigravity",
        "methods": "__class__: x\nsave: 3\nserialize: 4\n",
        "wrong": "height: !!int ''\nseed: !!bool x\n",
        "date": "seed: !!timestamp x",
        "deep": "name: " + "[" * 100_000,
        "deep2": "- " * 50_000,
        "deep3": "? " * 50_000,
        "maps": "{a: " * 30_000,
        "number": "height: 0x" + "f" * 100_000,
        "number2": "seed: 0x" + "f" * 15,
        "sixty": "height: 1" + ":1" * 60_000,
        "sixty2": "learning_rate: 1" + ":1" * 60_000 + ".5",
        "digits": "height: " + "9" * 100_000,
        "dates": "name: 2001-99-99T99:99:99+99:99",
        "year": "name: 0000-00-00",
        "nan": "learning_rate: .nan\ndropout: .inf\nmix_weights: [.nan, 1]\nmix: [a]\n",
        "text": "name: " + "x" * 120_000,
        "name": "x" * 100_000 + ": 3",
        "list": "augmentors: [" + "a, " * 40_000 + "]",
        "anchor": "name: &" + "a" * 100_000 + " b",
        "nul": "name: a\0b",
        "surrogate": 'data_path: "\\ud800"\ntrain_list: "a\\0b"\n',
        "breaks": 'dataset: "a\\n\\u2028\\e[31m"',
        "documents": "--- a\n" * 10_000,
        "tags": "%TAG ! tag:yaml.org,2002:python/\n---\nname: !str x\n",
        "null": "~",
        "keys": "3: 4\n",
        "complex": "? {a: b}\n: c\n",
        "large": "a: b\n" * 300_000,
    }
    contents = {title: text.encode() for title, text in texts.items()}
    contents |= {"utf16": "name: x".encode("utf-16"), "latin": "name: é".encode("latin-1")}
    return {f"{title}:configs.yaml": content for title, content in contents.items()}


def read_settings(path: Path) -> None:
    values = read_yaml(path)
    BaseModelConfigs.load(path)
    ModelConfigs.from_dict(values, str(path))


YAML = Target(read_settings, yaml_files, yaml_attacks, YAML_TOKENS)
