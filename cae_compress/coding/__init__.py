"""Integers to bits: what every codec codes its latents with."""
