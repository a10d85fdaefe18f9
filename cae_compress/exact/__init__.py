"""Pictures that are coded exactly and need no network: those of one colour, and drawings."""
