"""Helpers for handwritten text recognition: datasets, augmentation, batches, CTC and export.

Importing this package loads neither TensorFlow nor any other deep-learning framework;
what needs Keras stands in :mod:`mltu.tensorflow`.
"""

import os

# ONNX Runtime sends telemetry unless this is set before it is imported, which happens after this package.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["CVImage", "Image"]
__version__ = "1.0.0"


def __getattr__(name: str) -> object:
    """Import the names of `__all__` when they are asked for: OpenCV must not delay what a command does first."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .annotations import images

    return getattr(images, name)
