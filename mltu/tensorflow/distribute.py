"""Training on several devices or machines by `tf.distribute`, with the results of one device and the whole batch.

Keras splits a batch into equal parts only, clips each part's gradients alone, and has no working `fit` for
`MultiWorkerMirroredStrategy`; so the steps are written out here. Every part counts by its number of lines, gradients
are summed before they are clipped, and batch normalisation takes its statistics from all parts.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras

from ..utils.errors import InputError
from .callbacks import Clock, StopOnInterrupt
from .dataProvider import DataProvider
from .model_utils import ShortcutModel

EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


class Replicas(NamedTuple):
    """The devices that train together."""

    strategy: Any  # tf.distribute.Strategy
    count: int  # of all workers
    own: range  # those of this worker
    chief: bool  # whether this worker writes the files


def start(mode: str, replicas: int = 0) -> Replicas:
    """Set up the devices; must come before TensorFlow has used any.

    Args:
        mode: "mirrored" for the devices of this machine, "multi_worker" for those that the environment variable
            TF_CONFIG names; each worker then takes one part.
        replicas: mirrored, without a GPU: how many parts the CPU plays; 0: two.

    Raises:
        InputError: TensorFlow is not the backend, or TF_CONFIG or its addresses cannot be used.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"distribute: {mode} needs KERAS_BACKEND=tensorflow")
    import tensorflow as tf

    if mode == "multi_worker":
        index, count = read_cluster()
        print(f"Worker {index + 1} of {count}; waiting for the others, an hour at most ...", flush=True)
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # as TensorFlow waits where Python hears no Ctrl-C
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"TF_CONFIG: the workers cannot come together ({reason}); see its addresses") from None
        finally:
            signal.signal(signal.SIGINT, before)
        local = strategy.num_replicas_in_sync // count
        return Replicas(strategy, strategy.num_replicas_in_sync, range(index * local, (index + 1) * local), index == 0)
    devices = [one.name for one in tf.config.list_physical_devices("GPU")]
    if not devices:
        parts = [tf.config.LogicalDeviceConfiguration()] * (replicas or 2)
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
        devices = [f"CPU:{number}" for number in range(len(parts))]
    strategy = tf.distribute.MirroredStrategy([name.removeprefix("/physical_device:") for name in devices])
    return Replicas(strategy, len(devices), range(len(devices)), True)


def read_cluster() -> tuple[int, int]:
    """This worker's number, and how many there are, from TF_CONFIG as TensorFlow documents it.

    Raises:
        InputError: it is not set or malformed.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise InputError(f"TF_CONFIG: not set; every worker needs its own, such as '{EXAMPLE}'")
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        workers = [("chief", n) for n in range(len(cluster.get("chief", ())))]
        workers += [("worker", n) for n in range(len(cluster["worker"]))]
        addresses = [*cluster.get("chief", ()), *cluster["worker"]]
        if not all(isinstance(one, str) and one.rpartition(":")[2].isdecimal() for one in addresses):
            raise ValueError("addresses are written host:port")
        if len(set(addresses)) < len(addresses):
            raise ValueError("two workers have one address")
        if set(cluster) - {"chief", "worker"}:
            raise ValueError("the cluster may have a chief and workers only")
        own = (task["type"], int(task["index"]))
        if own not in workers:
            raise ValueError("the cluster has no task " + " ".join(map(str, own)))
        return workers.index(own), len(workers)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"TF_CONFIG: {reason}; it should be like '{EXAMPLE}'") from None


class SharedClock(Clock):
    """A clock whose progress is the same for all workers at every step: that of the chief, a step ago."""

    shared = 0.0

    @property
    def own(self) -> float:
        """Progress by this worker's time."""
        return super().progress

    @property
    def progress(self) -> float:
        return self.shared


class SharedInterrupt(StopOnInterrupt):
    """Ends training on all workers after the same batch, when one was asked to by Ctrl-C."""

    agreed = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.asked, mine = self.agreed, self.asked
        super().on_train_batch_end(batch, logs)
        self.asked = mine

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Validation is not broken off, as the other workers take part in it."""


class Distributed:
    """Mixin of Keras models, for `fit` and `evaluate` on what :func:`feed` gives."""

    clock: SharedClock | None = None
    interrupt: SharedInterrupt | None = None
    replicas: Replicas

    def distribute(self, replicas: Replicas) -> None:
        """Prepare the compiled model, within the strategy's scope."""
        self.replicas = replicas
        for layer in self._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        self.optimizer.build(self.trainable_variables)
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        inner._all_reduce_sum_gradients = lambda pairs: pairs  # that was done before they are clipped

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing: Keras would average a batch over the workers, which cannot be done."""

    def _loss_sum(self, x: Any, y: Any, y_pred: Any, count: Any, training: bool) -> Any:
        """Loss, summed over the lines of this part that count."""
        import tensorflow as tf

        lines = tf.shape(x)[0]
        weights = tf.sequence_mask(count, lines, tf.float32)
        # Keras divides by the lines of the part and by the number of parts
        scale = self.replicas.count * tf.cast(lines, tf.float32)
        return self.compute_loss(x, y, y_pred, weights, training=training) * scale

    def _note(self, loss: Any, y: Any, y_pred: Any, count: Any) -> None:
        """Update the metrics with the lines of this part that count."""
        import tensorflow as tf

        counted = tf.cast(count, tf.float32)
        self._loss_tracker.update_state(tf.math.divide_no_nan(loss, counted), sample_weight=counted)
        self.compute_metrics(None, y[:count], keras.tree.map_structure(lambda one: one[:count], y_pred))

    def train_step(self, x: Any, y: Any, count: Any, wishes: Any) -> dict[str, Any]:
        """One step with this part of a batch; returns the loss of the whole batch, and the sum of all wishes."""
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        total = context.all_reduce("SUM", tf.cast(count, tf.float32))
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._loss_sum(x, y, y_pred, count, training=True)
            scaled = self.optimizer.scale_loss(loss / total)
        gradients = context.all_reduce("SUM", tape.gradient(scaled, self.trainable_weights))
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self._note(loss, y, y_pred, count)
        first = tf.equal(context.replica_id_in_sync_group, self.replicas.own[0])
        wishes = context.all_reduce("SUM", tf.where(first, wishes, tf.zeros_like(wishes)))
        return {"loss": context.all_reduce("SUM", loss / total), "wishes": wishes}

    def test_step(self, x: Any, y: Any, count: Any, wishes: Any) -> dict[str, Any]:
        """Judge this part of a batch."""
        y_pred = self(x, training=False)
        self._note(self._loss_sum(x, y, y_pred, count, training=False), y, y_pred, count)
        return {}

    def _stepper(self, step: Callable) -> Callable:
        """What Keras calls with its iterator for each batch."""
        import tensorflow as tf

        def on_all(data: tuple, wishes: Any) -> dict[str, Any]:
            results = self.replicas.strategy.run(step, args=(*data, wishes))
            return {name: self.replicas.strategy.experimental_local_results(one)[0] for name, one in results.items()}

        compiled: list[Callable] = []

        def function(iterator: Iterator) -> dict[str, Any]:
            if not compiled:
                signature = (iterator.element_spec, tf.TensorSpec((2,), tf.float32))
                compiled.append(tf.function(on_all, input_signature=signature))
            # taken outside the graph: at the end of the data it would run what does not need them, such as weight decay
            results = compiled[0](next(iterator), tf.constant(self._wishes(), tf.float32))
            if "wishes" in results:
                self._settle(*results.pop("wishes").numpy().tolist())
            return results

        return function

    def _wishes(self) -> tuple[float, float]:
        """What this worker has to say: how far the time is, and whether it was asked to stop."""
        chief = self.clock is not None and self.replicas.chief
        return (self.clock.own if chief else 0.0, float(self.interrupt is not None and self.interrupt.asked))

    def _settle(self, progress: float, interrupts: float) -> None:
        if self.clock:
            self.clock.shared = progress
        if self.interrupt:
            self.interrupt.agreed = interrupts > 0

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is None or force:
            self.train_function = self._stepper(self.train_step)

    def make_test_function(self, force: bool = False) -> None:
        if self.test_function is None or force:
            self.test_function = self._stepper(self.test_step)

    def _get_metrics_result_or_logs(self, logs: Any) -> dict[str, Any]:
        return self.get_metrics_result()


class DistributedShortcutModel(Distributed, ShortcutModel):
    """A network with a shortcut, on several devices."""


class DistributedModel(Distributed, keras.Model):
    """A network on several devices: `DistributedModel(network.input, network.output)`."""

    @property
    def reader(self) -> keras.Model:
        """The network for one device, with the same weights."""
        return keras.Model(self.input, self.output)


def feed(provider: DataProvider, replicas: Replicas) -> Any:
    """Each batch of a provider in as many parts as there are devices, of which this worker loads its own.

    Returns:
        `tf.distribute.DistributedDataset` of (images, labels, how many of them count).
    """
    import tensorflow as tf

    spec = provider.for_keras().element_spec

    def dataset(context: Any) -> tf.data.Dataset:
        parts = tf.data.Dataset.from_generator(
            lambda: provider.parts(replicas.own, replicas.count),
            output_signature=(*spec, tf.TensorSpec((), tf.int32)),
        )
        return parts.prefetch(len(replicas.own))

    return replicas.strategy.distribute_datasets_from_function(dataset)


def meet(replicas: Replicas) -> None:
    """Wait until all workers have come here, as one that left early would look lost to the others."""
    import tensorflow as tf

    arrived = replicas.strategy.run(lambda: tf.constant(1.0))
    replicas.strategy.reduce("SUM", arrived, axis=None)
