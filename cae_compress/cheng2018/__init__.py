"""The replication: Cheng et al., *Deep Convolutional AutoEncoder-based Lossy Image Compression*, PCS 2018."""
