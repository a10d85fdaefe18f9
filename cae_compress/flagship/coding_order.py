"""In what order latents are coded: groups of channels, low frequencies first, and passes over the positions of each.

Positions are coded from coarse to fine. Between those of a coarse grid come the middles of its squares, then the other
two kinds, at each spacing in turn. The lowest group, which has no lower ones to look at, begins coarsest.

Sources: those of `context_network`.
"""

GROUPS = (0, 8, 32, 88, 184, 320, 512, 768)  # where groups of channels begin and end
CHANNELS = GROUPS[-1]

SPACINGS = ((4, 2, 1), (1,), (1,), (1,), (1,), (1,), (1,))  # of each group, in latents
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
CROSS = ((-1, 0), (0, -1), (0, 1), (1, 0))
# (row, column, neighbours decoded before) of the passes that halve the spacing, all in units of the new one
HALVING = ((1, 1, CORNERS), (0, 1, CROSS), (1, 0, CROSS))


def passes(k):
    """Passes over the positions of a group: (first row, first column, stride, spacing, neighbours in the own group).

    Neighbours are (down, right) in units of the spacing.
    """
    yield 0, 0, 2 * SPACINGS[k][0], 1, ()
    for spacing in SPACINGS[k]:
        for row, column, neighbours in HALVING:
            yield spacing * row, spacing * column, 2 * spacing, spacing, neighbours
