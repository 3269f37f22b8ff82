"""Error rates of networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from ..ctc import collapse_path
from ..utils.text_utils import edit_distance


def _on_host(function: Callable[..., tuple], arrays: Sequence, shapes: Sequence[tuple]):
    """Call a function of numpy arrays on tensors, from eager, traced or compiled code of any backend.

    It returns as many float32 arrays as there are `shapes`.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        results = tf.numpy_function(function, arrays, [tf.float32] * len(shapes), stateful=False)
        for result, shape in zip(results, shapes, strict=True):
            result.set_shape(shape)
        return results
    if backend == "jax":
        import jax

        outputs = tuple(jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes)
        return jax.pure_callback(lambda *host: function(*map(np.asarray, host)), outputs, *arrays)
    return [ops.convert_to_tensor(result) for result in function(*map(ops.convert_to_numpy, arrays))]


def _characters(vocabulary) -> list[str]:
    """The vocabulary as a list of characters, from text, a list, or a tensor of strings."""
    if hasattr(vocabulary, "numpy"):
        return [character.decode("utf-8") for character in vocabulary.numpy().tolist()]
    return list(vocabulary)


class _ErrorRate(keras.metrics.Metric):
    """Edits summed over all samples, divided by the true tokens summed over them."""

    NAME = ""  # unless another is given

    def __init__(self, vocabulary: str | Sequence[str], name: str = "", **options) -> None:
        super().__init__(name=name or self.NAME, **options)
        self.vocabulary = _characters(vocabulary)
        self.errors = self.add_weight(name="errors", initializer="zeros", dtype="float32")
        self.tokens = self.add_weight(name="tokens", initializer="zeros", dtype="float32")

    @staticmethod
    def _tokens(labels: np.ndarray, vocabulary: list[str]) -> list:
        """What is counted, from label indices."""
        raise NotImplementedError

    @classmethod
    def _counts(cls, decoded: Sequence, true: Sequence, vocabulary: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Edits and true tokens of each sample; float32, shape (batch,)."""
        texts = (
            [cls._tokens(row[(row >= 0) & (row < len(vocabulary))], vocabulary) for row in map(np.asarray, labels)]
            for labels in (decoded, true)
        )
        pairs = [(edit_distance(text, reference), len(reference)) for text, reference in zip(*texts, strict=True)]
        return tuple(np.array(pairs, np.float32).reshape(-1, 2).T)

    @classmethod
    def _distance(cls, pred_decoded, y_true, vocab, padding: int):
        """Edits over true tokens for each sample; infinite where there is no true token but an edit."""
        decoded = [row[row != padding] for row in map(np.asarray, pred_decoded)]
        errors, totals = cls._counts(decoded, list(y_true), _characters(vocab))
        rates = np.divide(errors, totals, out=np.where(errors > 0, np.inf, 0).astype(np.float32), where=totals > 0)
        return ops.convert_to_tensor(rates)

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        """Add a batch.

        Args:
            y_true: labels, shape (batch, longest label), padded with `len(vocabulary)`.
            y_pred: class scores, shape (batch, steps, len(vocabulary) + 1); the blank is last.
            sample_weight: not used; every character counts the same.
        """

        def sums(paths: np.ndarray, labels: np.ndarray) -> tuple[np.float32, np.float32]:
            decoded = [collapse_path(path, len(self.vocabulary))[0] for path in paths]
            return tuple(counts.sum(dtype=np.float32) for counts in self._counts(decoded, labels, self.vocabulary))

        paths = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        errors, tokens = _on_host(sums, [paths, ops.cast(y_true, "int32")], [(), ()])
        self.errors.assign(self.errors + errors)
        self.tokens.assign(self.tokens + tokens)

    def result(self):
        """The rate so far, a scalar; 0 before the first token."""
        return ops.divide_no_nan(self.errors, self.tokens)

    def get_config(self) -> dict:
        return {**super().get_config(), "vocabulary": self.vocabulary}


@keras.saving.register_keras_serializable(package="mltu")
class CERMetric(_ErrorRate):
    """Character error rate of greedy CTC decoding over all samples since the last reset.

    Edits are summed over the samples and divided by the true characters summed over them, so a
    long line weighs more than a short one. The vocabulary is in the order of the classes.
    """

    NAME = "CER"

    @staticmethod
    def _tokens(labels: np.ndarray, vocabulary: list[str]) -> list[int]:
        return labels.tolist()

    @classmethod
    def get_cer(cls, pred_decoded, y_true, vocab, padding: int = -1):
        """Error rate of each sample, float32, shape (batch,).

        Args:
            pred_decoded: decoded label indices, shape (batch, any), padded with `padding`.
            y_true: true label indices, shape (batch, any), padded with `len(vocab)` or more.
        """
        return cls._distance(pred_decoded, y_true, vocab, padding)


@keras.saving.register_keras_serializable(package="mltu")
class WERMetric(_ErrorRate):
    """Word error rate, as :class:`CERMetric`; words are what white space separates."""

    NAME = "WER"

    @staticmethod
    def _tokens(labels: np.ndarray, vocabulary: list[str]) -> list[str]:
        return "".join(vocabulary[label] for label in labels).split()

    @classmethod
    def get_wer(cls, pred_decoded, y_true, vocab, padding: int = -1):
        """Error rate of each sample, as :meth:`CERMetric.get_cer`, over words."""
        return cls._distance(pred_decoded, y_true, vocab, padding)
