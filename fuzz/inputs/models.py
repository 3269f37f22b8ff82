"""Networks in ONNX files."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper

from inferenceModel import ImageToWordModel

from .base import SECRET, Attacks, Input, Target
from .images import picture
from .spoiling import spoil

METADATA = {"vocab": '"ab"', "temperature": "1.5", "word_exponent": "0.9", "height": "8", "width": "64"}
LINE_METADATA = METADATA | {"color": '"GRAY"', "width_step": "8"}
METADATA_VALUES = (
    *("0", "-1", "1", "0.5", "8.0", "64", "1e9", "1e-300", "1e999", "NaN", "-Infinity", "9" * 400, "9" * 10_000),
    *("true", "false", "null", '""', '"x"', '"GRAY"', '"BGR"', '"ab"', '"abc"'),
    *("[]", '["a", "b"]', "[1, 2]", "[[], {}]"),
    *("{}", '{"a": 1, "b": 2}', '"\\ud800\\u0000"', '"' + "x" * 100_000 + '"', "[" * 100_000, "plain text", "", "\0"),
    *("__import__('os').system('true')", '"../secret.png"', '["a", ""]', '["aaaa", "b"]', '"a\\n"', '[null, "b"]'),
)


def onnx_proto(metadata: dict[str, str]) -> ModelProto:
    """A network that takes lines, of one size or of any width, and knows two characters."""
    any_width = "width_step" in metadata
    shape = ["n", 8, "w", 1] if any_width else ["n", 8, 16, 3]
    rows = 8 if any_width else 96
    initializers = [
        helper.make_tensor("turned", TensorProto.INT64, [3], [0, -1, rows]),
        helper.make_tensor("weights", TensorProto.FLOAT, [rows, 3], [0.001 * (n % 7) for n in range(rows * 3)]),
    ]
    nodes = [
        helper.make_node("Transpose", ["x"], ["columns"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["columns", "turned"], ["steps"]),
        helper.make_node("MatMul", ["steps", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"], axis=-1),
    ]
    ends = [("x", shape), ("y", ["n", "steps", 3])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, of) for name, of in ends)
    graph = helper.make_graph(nodes, "line", [x], [y], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, metadata)
    return proto


@cache
def onnx_files() -> list[Input]:
    return [Input("model.onnx", onnx_proto(metadata).SerializeToString()) for metadata in (METADATA, LINE_METADATA)]


def vary_onnx(random: Random) -> Input:
    """A sound network with wrong metadata."""
    metadata = dict(random.choice((METADATA, LINE_METADATA)))
    proto = onnx_proto(metadata)
    for _ in range(random.randint(1, 3)):
        name = random.choice(("vocab", "color", "width_step", "width", "temperature", "word_exponent", "preprocessing"))
        value = metadata.get(name, "").encode()
        spoiled = spoil(random, value, [value]).decode("utf-8", "replace")
        metadata[name] = random.choice((*METADATA_VALUES, spoiled))
        if random.random() < 0.1:
            del metadata[name]
    helper.set_model_props(proto, metadata)
    return Input("model.onnx", proto.SerializeToString())


def changed(change: Callable, *args: Any, **options: Any) -> bytes:
    """A network on which a function has left its mark."""
    proto = onnx_proto(METADATA)
    change(proto.graph, *args, **options)
    return proto.SerializeToString()


@cache
def model_attacks() -> Attacks:
    def outside(graph: GraphProto, location: str, **more: str) -> None:
        """It wants its weights from another file."""
        weights = graph.initializer[1]
        weights.ClearField("float_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            weights.external_data.add(key=key, value=value)

    def sides(graph: GraphProto, height: int, width: int) -> None:
        for axis, side in ((1, height), (2, width)):
            graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side

    def classes(graph: GraphProto, count: int) -> None:
        graph.output[0].type.tensor_type.shape.dim[2].dim_value = count

    def without(graph: GraphProto, field: str) -> None:
        graph.ClearField(field)

    def weights(graph: GraphProto, shape: list[int], value: float) -> None:
        graph.initializer[1].dims[:] = shape
        graph.initializer[1].float_data[:] = [value] * 288

    contents = {
        "empty": b"",
        "outside": partial(changed, outside, f"{SECRET}.bin"),
        "outside2": partial(changed, outside, "beside/../../secret.bin"),
        "outside3": partial(changed, outside, "/etc/hostname", offset="0", length="4"),
        "memory": partial(changed, outside, "*/_ORT_MEM_ADDR_/*", offset="4096", length="1152"),
        "memory2": partial(changed, outside, "*/_ORT_MEM_ADDR_/*", offset="-1", length="99999999999"),
        "sides": partial(changed, sides, 2**31, 2**31),
        "sides2": partial(changed, sides, 30_000, 30_000),
        "sides3": partial(changed, sides, -5, 0),
        "classes": partial(changed, classes, 2**40),
        "classes2": partial(changed, classes, 0),
        "nothing": partial(changed, without, "node"),
        "blind": partial(changed, without, "input"),
        "dumb": partial(changed, without, "output"),
        "weights": partial(changed, weights, [2**31, 2**31], 1.0),
        "weights2": partial(changed, weights, [96, 3], float("nan")),
        "weights3": partial(changed, weights, [-1, 3], 1.0),
        "flat": b"\x00\x00\x00\x00ORTM" + bytes(1000),
        "text": onnx_files()[0].content.replace(b"temperature", b"temp\xff\xfeature"[:11]),
    }
    return {f"{title}:model.onnx": content for title, content in contents.items()}


def read_model(path: Path) -> None:
    model = ImageToWordModel(path, threads=1, force_cpu=True)
    image = np.asarray(picture("L", (90, 20)))
    model.predict(image)
    model.read(image)


ONNX = Target(read_model, onnx_files, model_attacks, vary=vary_onnx)
