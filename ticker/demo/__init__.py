"""
Demo banks on loopback: recorded days, replayed in the banks' own formats and at their hours.

The service runs as usual: it asks its usual paths at another `base_url`, and its clock is the recording's.
"""

from ticker.demo.addresses import Banks
from ticker.demo.replay import NOTICE, DemoClock, recording

__all__ = ["NOTICE", "Banks", "DemoClock", "recording"]
