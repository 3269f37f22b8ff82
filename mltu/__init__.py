"""Helpers for handwritten text recognition: datasets, augmentation, batches, CTC and export.

Importing this package loads neither TensorFlow nor any other deep-learning framework;
what needs Keras stands in :mod:`mltu.tensorflow`.
"""

from .annotations.images import CVImage, Image

__all__ = ["CVImage", "Image"]
__version__ = "1.0.0"
