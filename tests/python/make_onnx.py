"""Writes an encoder of the BERT family as ONNX: make_onnx.py FOLDER OUTPUT. The weights are those of `model.safetensors`."""

import json
import shutil
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


class Graph:
    """Nodes on their way to a graph; each adds one and names its output."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def add(self, operator, *inputs, **attributes):
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def weight(self, name, transposed=False):
        value = self.weights[name]
        return self.constant(name, value.T.copy() if transposed else value)

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(numpy.asarray(value), name)
        return name

    def linear(self, name, x):
        return self.add("Add", self.add("MatMul", x, self.weight(f"{name}.weight", True)), self.weight(f"{name}.bias"))

    def norm(self, name, x, epsilon):
        return self.add("LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=epsilon)


def encoder(weights, config):
    graph = Graph(weights)
    heads, width, epsilon = config["num_attention_heads"], config["hidden_size"], config["layer_norm_eps"]
    split = graph.constant("split", numpy.array([0, 0, heads, width // heads], dtype=numpy.int64))
    joined = graph.constant("joined", numpy.array([0, 0, width], dtype=numpy.int64))
    scale = graph.constant("scale", numpy.float32((width // heads) ** -0.5))
    one = graph.constant("one", numpy.float32(1.0))
    masked = graph.constant("masked", numpy.float32(-1e9))
    axes = graph.constant("axes", numpy.array([1, 2], dtype=numpy.int64))
    zero, step = graph.constant("zero", numpy.int64(0)), graph.constant("step", numpy.int64(1))

    length = graph.add("Squeeze", graph.add("Shape", "input_ids", start=1, end=2))
    positions = graph.add("Gather", graph.weight("embeddings.position_embeddings.weight"), graph.add("Range", zero, length, step))
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    kind = graph.constant("kind", weights["embeddings.token_type_embeddings.weight"][0])
    x = graph.norm("embeddings.LayerNorm", graph.add("Add", graph.add("Add", words, positions), kind), epsilon)
    absent = graph.add("Sub", one, graph.add("Cast", "attention_mask", to=TensorProto.FLOAT))
    absent = graph.add("Mul", graph.add("Unsqueeze", absent, axes), masked)

    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"

        def heads_of(what, order):
            projected = graph.linear(f"{name}.attention.self.{what}", x)
            return graph.add("Transpose", graph.add("Reshape", projected, split), perm=order)

        query, key, value = heads_of("query", [0, 2, 1, 3]), heads_of("key", [0, 2, 3, 1]), heads_of("value", [0, 2, 1, 3])
        scores = graph.add("Add", graph.add("Mul", graph.add("MatMul", query, key), scale), absent)
        mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
        mixed = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), joined)
        x = graph.norm(f"{name}.attention.output.LayerNorm", graph.add("Add", graph.linear(f"{name}.attention.output.dense", mixed), x), epsilon)
        inner = graph.add("Gelu", graph.linear(f"{name}.intermediate.dense", x))
        x = graph.norm(f"{name}.output.LayerNorm", graph.add("Add", graph.linear(f"{name}.output.dense", inner), x), epsilon)

    shape = ["rows", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")]
    output = helper.make_tensor_value_info(x, TensorProto.FLOAT, [*shape, width])
    made = helper.make_graph(graph.nodes, "encoder", inputs, [output], list(graph.constants.values()))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


folder, output = map(Path, sys.argv[1:])
output.mkdir(parents=True, exist_ok=True)
weights = {name.removeprefix("bert."): value.astype(numpy.float32) for name, value in load_file(folder / "model.safetensors").items() if value.dtype.kind == "f"}
onnx.save(encoder(weights, json.loads((folder / "config.json").read_text())), output / "model.onnx")
shutil.copy(folder / "tokenizer.json", output)
