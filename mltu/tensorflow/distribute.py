"""Several devices that train together by `tf.distribute`, with the results of one device and the whole batch.

Keras splits a batch into equal parts only, clips each part's gradients alone, and has no working `fit` for
`MultiWorkerMirroredStrategy`; so the steps are written out here. Every part counts by its number of lines, gradients
are summed before they are clipped, and batch normalisation takes its statistics from all parts.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import keras

from ..utils.errors import InputError
from .callbacks import Clock, StopOnInterrupt
from .dataProvider import DataProvider
from .devices import Devices
from .model_utils import ShortcutModel

EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'


class Replicas(Devices):
    """Several devices of one or more workers: `count` in all, of which `own` are those of this worker."""

    saves_within_epochs = False

    def __init__(self, strategy: Any, count: int, own: range, is_chief: bool) -> None:
        self.strategy = strategy  # a `tf.distribute.Strategy`
        self.count = count
        self.own = own
        self.is_chief = is_chief
        self.has_other_workers = len(own) < count

    def scope(self) -> AbstractContextManager:
        return self.strategy.scope()

    def wrap(self, network: keras.Model, shortcut: float = 0.0) -> keras.Model:
        if shortcut:
            return DistributedShortcutModel(network, shortcut)
        return DistributedModel(network.input, network.output)

    def prepare(self, model: Distributed) -> None:
        model.distribute(self)

    def feed(self, provider: DataProvider) -> Any:
        """A `tf.distribute.DistributedDataset` of (images, labels, how many count), of this worker's parts."""
        import tensorflow as tf

        spec = provider.for_keras().element_spec

        def dataset(context: Any) -> tf.data.Dataset:
            parts = tf.data.Dataset.from_generator(
                lambda: provider.parts(self.own, self.count), output_signature=(*spec, tf.TensorSpec((), tf.int32))
            )
            return parts.prefetch(len(self.own))

        return self.strategy.distribute_datasets_from_function(dataset)

    def clock(self, max_seconds: float, spent: float) -> SharedClock:
        return SharedClock(max_seconds, spent)

    def interrupt(self, save: Callable[[], None]) -> SharedInterrupt:
        return SharedInterrupt()  # does not save, as the run cannot be resumed within an epoch

    def connect(self, model: Distributed, clock: SharedClock, interrupt: SharedInterrupt) -> None:
        model.clock, model.interrupt = clock, interrupt

    def barrier(self) -> None:
        import tensorflow as tf

        arrived = self.strategy.run(lambda: tf.constant(1.0))
        self.strategy.reduce("SUM", arrived, axis=None)


def start(mode: str, replicas: int) -> Replicas:
    """Set up several devices; must come before TensorFlow has used any.

    Args:
        mode: "mirrored" is those of this machine, "multi_worker" those that the environment variable TF_CONFIG names;
            each worker then takes one part.
        replicas: without a GPU the CPU plays so many, or two if it is 0.

    Raises:
        InputError: TensorFlow is not the backend, or TF_CONFIG or its addresses cannot be used.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(f"distribute: {mode} needs KERAS_BACKEND=tensorflow")
    return _join_workers() if mode == "multi_worker" else _mirror(replicas)


def _mirror(replicas: int) -> Replicas:
    """All GPUs of this machine, or parts of the CPU."""
    import tensorflow as tf

    devices = [device.name for device in tf.config.list_physical_devices("GPU")]
    if not devices:
        parts = [tf.config.LogicalDeviceConfiguration()] * (replicas or 2)
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
        devices = [f"CPU:{number}" for number in range(len(parts))]
    strategy = tf.distribute.MirroredStrategy([name.removeprefix("/physical_device:") for name in devices])
    return Replicas(strategy, len(devices), range(len(devices)), True)


def _join_workers() -> Replicas:
    """The devices of all workers that TF_CONFIG names."""
    import tensorflow as tf

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


def read_cluster() -> tuple[int, int]:
    """This worker's number, and how many there are, from TF_CONFIG; InputError if it is not set or malformed."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise InputError(f"TF_CONFIG: not set; every worker needs its own, such as '{EXAMPLE}'")
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        chiefs = cluster.get("chief", ())
        workers = [("chief", n) for n in range(len(chiefs))] + [("worker", n) for n in range(len(cluster["worker"]))]
        addresses = [*chiefs, *cluster["worker"]]
        if not all(isinstance(address, str) and address.rpartition(":")[2].isdecimal() for address in addresses):
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
    """Mixin of Keras models, for `fit` and `evaluate` on what :meth:`Replicas.feed` gives."""

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

    def _update_metrics(self, loss: Any, y: Any, y_pred: Any, count: Any) -> None:
        """Update the metrics with the lines of this part that count."""
        import tensorflow as tf

        counted = tf.cast(count, tf.float32)
        self._loss_tracker.update_state(tf.math.divide_no_nan(loss, counted), sample_weight=counted)
        self.compute_metrics(None, y[:count], keras.tree.map_structure(lambda array: array[:count], y_pred))

    def train_step(self, x: Any, y: Any, count: Any, signals: Any) -> dict[str, Any]:
        """One step with this part of a batch; returns the loss of the whole batch and the sum of all signals."""
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        total = context.all_reduce("SUM", tf.cast(count, tf.float32))
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._loss_sum(x, y, y_pred, count, training=True)
            scaled = self.optimizer.scale_loss(loss / total)
        gradients = context.all_reduce("SUM", tape.gradient(scaled, self.trainable_weights))
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self._update_metrics(loss, y, y_pred, count)
        first = tf.equal(context.replica_id_in_sync_group, self.replicas.own[0])
        signals = context.all_reduce("SUM", tf.where(first, signals, tf.zeros_like(signals)))
        return {"loss": context.all_reduce("SUM", loss / total), "signals": signals}

    def test_step(self, x: Any, y: Any, count: Any, signals: Any) -> dict[str, Any]:
        """Judge this part of a batch."""
        y_pred = self(x, training=False)
        self._update_metrics(self._loss_sum(x, y, y_pred, count, training=False), y, y_pred, count)
        return {}

    def _stepper(self, step: Callable) -> Callable:
        """What Keras calls with its iterator for each batch."""
        import tensorflow as tf

        def on_all(data: tuple, signals: Any) -> dict[str, Any]:
            results = self.replicas.strategy.run(step, args=(*data, signals))
            local = self.replicas.strategy.experimental_local_results
            return {name: local(value)[0] for name, value in results.items()}

        compiled: list[Callable] = []

        def function(iterator: Iterator) -> dict[str, Any]:
            if not compiled:
                signature = (iterator.element_spec, tf.TensorSpec((2,), tf.float32))
                compiled.append(tf.function(on_all, input_signature=signature))
            # taken outside the graph: at the end of the data it would run what does not need them, such as weight decay
            results = compiled[0](next(iterator), tf.constant(self._own_signals(), tf.float32))
            if "signals" in results:
                self.apply_signals(*results.pop("signals").numpy().tolist())
            return results

        return function

    def _own_signals(self) -> tuple[float, float]:
        """This worker's signals: the chief's share of the time used, and whether it was asked to stop."""
        chief = self.clock is not None and self.replicas.is_chief
        return (self.clock.own if chief else 0.0, float(self.interrupt is not None and self.interrupt.asked))

    def apply_signals(self, progress: float, interrupts: float) -> None:
        """Take over the progress of the chief, and that some worker was asked to stop."""
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
