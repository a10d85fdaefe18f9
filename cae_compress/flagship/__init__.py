"""The flagship: one autoencoder for every quality, trained for rate and distortion, with an integer context network."""
