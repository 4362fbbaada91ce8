"""
What the stream costs, beside what others cost in the same minutes: `python -m tests.tools.bench`.

Linux only. No part of any test: its figures depend on the machine, so they are read as ratios.
"""
