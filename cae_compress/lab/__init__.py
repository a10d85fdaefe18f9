"""The bench to study codecs on: baselines, tables, figures, speed, damaged files."""
