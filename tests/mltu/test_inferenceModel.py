import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from helpers import write_onnx
from mltu.inferenceModel import EXTERNAL_DATA, OnnxInferenceModel
from mltu.utils.errors import InputError


def write_model(path, metadata):
    """A model that doubles its input."""
    write_onnx(path, helper.make_node("Add", ["x", "x"], ["y"]), [["batch", 2]] * 2, **metadata)


class Double(OnnxInferenceModel):
    def predict(self, data):
        return self.model.run(self.output_names, {self.input_names[0]: data})[0]


@pytest.mark.parametrize("name", ["model.onnx", "été/model.onnx"])
def test_OnnxInferenceModel_runs_a_file_or_the_model_in_a_folder(tmp_path, name):
    path = tmp_path / name
    write_model(path, {})
    for place in (path, path.parent, str(path)):
        model = Double(place, force_cpu=True, threads=1)
        assert model(np.ones((3, 2), np.float32)).tolist() == [[2, 2]] * 3
    assert (model.input_names, model.output_names, model.input_shapes) == (["x"], ["y"], [["batch", 2]])


def test_OnnxInferenceModel_reads_metadata_as_json_and_never_runs_them(tmp_path):
    marker = tmp_path / "ran"
    values = {"list": "[1, 2]", "text": '"abc"', "plain": "abc", "deep": "[" * 100_000}
    write_model(tmp_path / "model.onnx", {**values, "code": f"open({str(marker)!r}, 'w')"})
    model = OnnxInferenceModel(tmp_path)
    assert model.metadata["list"] == [1, 2]
    assert model.metadata["text"] == model.metadata["plain"] == "abc"
    assert model.metadata["code"].startswith("open(")
    assert model.metadata["deep"] == "[" * 100_000
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("bad.onnx", "not an ONNX"), ("empty.onnx", "not an ONNX"), ("no.onnx", "no such"), ("folder", "no such")],
)
def test_OnnxInferenceModel_names_what_is_no_model_in_one_line(tmp_path, name, message):
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message) as error:
        OnnxInferenceModel(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", ["beside.bin", "../secret.bin", "*/_ORT_MEM_ADDR_/*"])
def test_OnnxInferenceModel_refuses_models_with_weights_in_other_files(tmp_path, monkeypatch, place):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    for path in (tmp_path / "secret.bin", tmp_path / "run" / "beside.bin"):
        path.write_bytes(np.zeros(2, np.float32).tobytes())
    write_model(tmp_path / "run" / "model.onnx", {})
    proto = onnx.load(tmp_path / "run" / "model.onnx")
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=place)
    proto.graph.initializer.append(weights)
    proto.graph.node[0].input[1] = "w"
    content = proto.SerializeToString()
    # the length of the key may be written with more bytes than it needs; what is around grows by one then
    assert EXTERNAL_DATA.search(content.replace(b"\x08location", b"\x88\x00location"))
    (tmp_path / "run" / "model.onnx").write_bytes(content)
    with pytest.raises(InputError, match="weights in other files"):
        OnnxInferenceModel("model.onnx")


def test_OnnxInferenceModel_names_models_whose_names_are_no_text_in_one_line(tmp_path, capfd):
    write_model(tmp_path / "model.onnx", {"key": "value"})
    content = (tmp_path / "model.onnx").read_bytes()
    for name in (b"value", b"batch"):
        (tmp_path / "model.onnx").write_bytes(content.replace(name, b"\xff" + name[1:]))
        with pytest.raises(InputError, match="not an ONNX model"):
            OnnxInferenceModel(tmp_path)
    assert capfd.readouterr().err == ""
