"""The exercises, a file a notebook; `EXERCISES` has them all by number."""

from cae_compress.lab.teaching.exercises import (
    autoencoder,
    coding,
    flagship,
    kodak,
    own_codec,
    papers,
    pictures,
    rate,
    rate_distortion,
    rotation,
)

_FILES = (pictures, autoencoder, rotation, rate, coding, rate_distortion, kodak, flagship, papers, own_codec)
EXERCISES = {exercise.number: exercise for file in _FILES for exercise in file.EXERCISES}
