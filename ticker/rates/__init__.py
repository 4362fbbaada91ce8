"""The decision core: what a quote is worth. Pure: no event loop, no I/O, no clock of its own."""
