"""Networks in ONNX files."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from random import Random

import numpy as np
from onnx import ModelProto, TensorProto, helper

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


def outside_weights(place: str, **more: str) -> bytes:
    """A network that wants its weights from another file."""
    proto = onnx_proto(METADATA)
    weights = proto.graph.initializer[1]
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, **more}.items():
        weights.external_data.add(key=key, value=value)
    return proto.SerializeToString()


@cache
def model_attacks() -> Attacks:
    def sized(height: int, width: int) -> bytes:
        proto = onnx_proto(METADATA)
        for axis, side in ((1, height), (2, width)):
            proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
        return proto.SerializeToString()

    def classes(count: int) -> bytes:
        proto = onnx_proto(METADATA)
        proto.graph.output[0].type.tensor_type.shape.dim[2].dim_value = count
        return proto.SerializeToString()

    def without(field: str) -> bytes:
        proto = onnx_proto(METADATA)
        proto.graph.ClearField(field)
        return proto.SerializeToString()

    def weights(shape: list[int], value: float) -> bytes:
        proto = onnx_proto(METADATA)
        tensor = proto.graph.initializer[1]
        tensor.dims[:] = shape
        tensor.float_data[:] = [value] * 288
        return proto.SerializeToString()

    contents = {
        "empty": b"",
        "outside": partial(outside_weights, f"{SECRET}.bin"),
        "outside2": partial(outside_weights, "beside/../../secret.bin"),
        "outside3": partial(outside_weights, "/etc/hostname", offset="0", length="4"),
        "memory": partial(outside_weights, "*/_ORT_MEM_ADDR_/*", offset="4096", length="1152"),
        "memory2": partial(outside_weights, "*/_ORT_MEM_ADDR_/*", offset="-1", length="99999999999"),
        "sides": partial(sized, 2**31, 2**31),
        "sides2": partial(sized, 30_000, 30_000),
        "sides3": partial(sized, -5, 0),
        "classes": partial(classes, 2**40),
        "classes2": partial(classes, 0),
        "nothing": partial(without, "node"),
        "blind": partial(without, "input"),
        "dumb": partial(without, "output"),
        "weights": partial(weights, [2**31, 2**31], 1.0),
        "weights2": partial(weights, [96, 3], float("nan")),
        "weights3": partial(weights, [-1, 3], 1.0),
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
