"""A compressive autoencoder: Theis, Shi, Cunningham, Huszár, ICLR 2017."""
