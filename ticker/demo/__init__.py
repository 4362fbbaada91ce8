"""
Stand-in banks on loopback: recorded days, replayed in the banks' own formats and at their hours.

The service does not know: it asks its usual paths at another `base_url` and is given another clock.
"""

from ticker.demo.addresses import Banks
from ticker.demo.replay import NOTICE, DemoClock, recording

__all__ = ["NOTICE", "Banks", "DemoClock", "recording"]
