"""
Two storms, and judges who know what happened.

In the first one readers come, go and stall while every server is killed, stopped and emptied, and nobody may
miss a change. It has fifty publications a second, without banks: `world`, `rounds`.

In the second one everything that operators run is there as real processes, and one thing after the other
breaks: `estate` (the processes), `street` (the banks), `faults` (what breaks, and what `/health` has to say
then), `campaign` (the order of things), and the judges `judge` (readers), `health` and `upkeep`.

`python -m tests.tools.chaos` runs either as long as one likes; tests/test_chaos.py runs short ones.
"""
