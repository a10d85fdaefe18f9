"""Controls: a picture that is drawn anew when a slider moves, and stands still where no kernel runs."""

from cae_compress.lab import plots


def explore(draw, alt, **choices):
    """Show a figure for the first value of each choice, and controls that draw it for others.

    The figure is an output of its own, so it is still there where the notebook is only read.

    Args:
        draw: function of a value for each choice to a matplotlib figure; it may print nothing.
        alt: what the figure shows, in words, or a function of the same values to it.
        **choices: for each argument of `draw`, (first value, all values): a list of numbers becomes a slider, of text a
            menu, of True and False a box to tick.

    Returns:
        The `ipywidgets` box of controls, which is displayed already.
    """
    import ipywidgets
    from IPython.display import display

    controls = {name: _control(name, *choice) for name, choice in choices.items()}

    def values():
        return {name: control.value for name, control in controls.items()}

    def text():
        return alt(**values()) if callable(alt) else alt

    picture = plots.show(draw(**values()), text())

    def redraw(_):
        picture.update(*plots.as_output(draw(**values()), text()))

    for control in controls.values():
        control.observe(redraw, "value")
    box = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})
    display(box)
    return box


def _control(name, first, values):
    import ipywidgets

    label = name.replace("_", " ")
    if set(values) == {True, False}:
        return ipywidgets.Checkbox(value=first, description=label, indent=False)
    if isinstance(first, str):
        return ipywidgets.Dropdown(options=list(values), value=first, description=label)
    return ipywidgets.SelectionSlider(options=list(values), value=first, description=label, continuous_update=False)
