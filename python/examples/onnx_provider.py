"""An encoder in ONNX Runtime with a classifier over its vectors: no torch, and no GPU needed.

    pip install onnxruntime scikit-learn tokenizers

In `tunebench.toml`, FOLDER having `model.onnx` and `tokenizer.json`, as exports of the Hugging Face hub have them:

    [providers.onnx]
    kind = "command"
    command = ["python3", "onnx_provider.py"]
    settings = { folder = "FOLDER" }
"""

from pathlib import Path

import numpy
import onnxruntime
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer

from tunebench import provider


class OnnxEncoder(provider.Classifier):
    name, description = "encoder", "logistic regression over the vectors of an encoder in ONNX Runtime"
    folder = "."

    def fit(self, texts, labels, *, C=100.0, seed=1):
        batches = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
        vectors = []
        for step, batch in enumerate(batches, 1):
            vectors.append(self.vectors(batch))
            self.report(step, len(batches))
        self.head = LogisticRegression(C=C, max_iter=1000, random_state=seed).fit(numpy.vstack(vectors), labels)

    def predict_proba(self, texts, labels):
        column = {label: i for i, label in enumerate(self.head.classes_)}
        rows = self.head.predict_proba(self.vectors(texts))
        return [[row[column[label]] if label in column else 0.0 for label in labels] for row in rows]

    def vectors(self, texts):
        tokenizer, network = self.opened()
        rows = tokenizer.encode_batch(list(texts))
        mask = numpy.array([row.attention_mask for row in rows], dtype=numpy.int64)
        given = {"input_ids": numpy.array([row.ids for row in rows], dtype=numpy.int64), "attention_mask": mask}
        wanted = {input.name for input in network.get_inputs()}
        if "token_type_ids" in wanted:
            given["token_type_ids"] = numpy.zeros_like(mask)
        states = network.run(None, {name: value for name, value in given.items() if name in wanted})[0]
        # The mean over the tokens of a text, of length one.
        means = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return means / numpy.linalg.norm(means, axis=1, keepdims=True)

    def opened(self):
        # Opened by each process for itself, and no part of what is kept of a trained model.
        if self.folder not in OPEN:
            tokenizer = Tokenizer.from_file(str(Path(self.folder) / "tokenizer.json"))
            tokenizer.enable_truncation(256)
            tokenizer.enable_padding()
            OPEN[self.folder] = tokenizer, onnxruntime.InferenceSession(str(Path(self.folder) / "model.onnx"))
        return OPEN[self.folder]


OPEN = {}

if __name__ == "__main__":
    provider.serve(OnnxEncoder())
