"""Pictures that are coded exactly and without a network: those of one colour, and drawings."""
