"""Generalized divisive normalization and a learned density for each channel: Balle, Laparra, Simoncelli, ICLR 2017."""
