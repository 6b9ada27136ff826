"""What the daemon sets for its process."""

from __future__ import annotations

import resource
import sys

from twisted.trial.unittest import SynchronousTestCase

from nexus.process import SWITCH_INTERVAL_S, ProcessSettings


class ProcessSettingsTests(SynchronousTestCase):
    """Set while the service runs."""

    def test_switch_interval(self) -> None:
        """Threads take turns more often while Nexus runs, and as before when it has stopped."""
        before = sys.getswitchinterval()
        self.assertNotAlmostEqual(before, SWITCH_INTERVAL_S)
        settings = ProcessSettings()
        settings.startService()
        self.assertAlmostEqual(sys.getswitchinterval(), SWITCH_INTERVAL_S)
        settings.stopService()
        self.assertAlmostEqual(sys.getswitchinterval(), before)

    def test_descriptors(self) -> None:
        """As many descriptors as are allowed may be used."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard - 1, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        settings = ProcessSettings()
        settings.startService()
        self.addCleanup(settings.stopService)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (hard, hard))
