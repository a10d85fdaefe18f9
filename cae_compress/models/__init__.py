"""One file a paper."""

from cae_compress import tensorflow_quietly  # noqa: F401, before any model imports keras
