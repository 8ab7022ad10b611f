"""One device = one file: a pure codec on top, the Device below it."""
