"""
Readers in a storm: every server is killed, stopped and emptied, and nobody may miss a change.

`python -m tests.tools.chaos` runs it for as long as one likes; tests/test_chaos.py runs twenty short rounds.
"""
