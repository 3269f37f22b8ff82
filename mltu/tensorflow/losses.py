"""CTC loss under every Keras backend."""

from __future__ import annotations

import keras
from keras import ops


def _tensorflow_ctc(labels, log_probabilities, label_lengths, steps):
    import tensorflow as tf

    # the older kernel is many times faster on CPUs than tf.nn.ctc_loss, and takes the last class as blank too
    batch, longest = tf.unstack(tf.shape(labels))
    # it refuses empty labels, so these get a character for now; their one path is all blanks
    where = tf.where(tf.sequence_mask(tf.maximum(label_lengths, 1), longest))
    sparse = tf.SparseTensor(where, tf.gather_nd(labels, where), tf.cast(tf.stack([batch, longest]), tf.int64))
    loss = tf.compat.v1.nn.ctc_loss(sparse, log_probabilities, tf.fill([batch], steps), time_major=False)
    return tf.where(label_lengths == 0, -tf.reduce_sum(log_probabilities[..., -1], axis=-1), loss)


@keras.saving.register_keras_serializable(package="mltu")
class CTCloss(keras.losses.Loss):
    """Connectionist temporal classification: minus the log probability of the label over all alignments.

    Graves et al., "Connectionist Temporal Classification" (ICML 2006), eq. 8 and 12; natural logarithm.
    The blank is the last class. Every output step counts; the length of each label is the number of
    its entries that are characters.

    A label that needs more steps than there are (see
    :class:`mltu.transformers.LabelStepCheck`) has no alignment: TensorFlow then raises an error and
    the other backends give an infinite or very large loss.

    Call arguments:
        y_true: labels, shape (batch, longest label), padded behind with the blank's index or above.
        y_pred: class probabilities, shape (batch, steps, classes).

    Returns:
        Loss per sample, shape (batch,), averaged over the batch by default.
    """

    def __init__(self, name: str = "CTCloss", **options) -> None:
        super().__init__(name=name, **options)

    def call(self, y_true, y_pred):
        blank = y_pred.shape[-1] - 1
        labels = ops.cast(y_true, "int32")
        lengths = ops.sum(ops.cast(labels < blank, "int32"), axis=-1)
        labels = ops.where(labels < blank, labels, 0)  # what stands behind the label is not read, but must be a class
        log_probabilities = ops.log(ops.cast(y_pred, "float32") + 1e-12)
        if keras.backend.backend() == "tensorflow":
            return _tensorflow_ctc(labels, log_probabilities, lengths, ops.shape(y_pred)[1])
        steps = ops.full((ops.shape(y_pred)[0],), ops.shape(y_pred)[1], dtype="int32")
        return ops.ctc_loss(labels, log_probabilities, lengths, steps, mask_index=blank)
