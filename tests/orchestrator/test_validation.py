"""What may go on record."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from nexus.errors import InvalidError
from nexus.messages import ResourcesChange
from nexus.model import Resources
from nexus.orchestrator.validation import ORIGINS_MAX, USERS_MAX, check_origins, check_users, merge_resources


class UserTests(SynchronousTestCase):
    """User names, as tokens claim them."""

    def test_allowed(self) -> None:
        """Any text that is short and printable is a user name; one named twice is one."""
        names = ["alice", "bob@example.com", "auth0|5f", "Ünï cödé", "x" * 256]
        self.assertEqual(check_users([*names, "alice"]), frozenset(names))
        self.assertEqual(check_users([]), frozenset())

    def test_refused(self) -> None:
        """Empty, long, with anything that does not print (no token could carry it), or not a text: refused by place."""
        for name in ("", "x" * 257, "a\nb", "a\x00", "\x7f", "\ud800", "a\u200bb", "a\xa0b", None, 7):
            error = self.assertRaises(InvalidError, check_users, ["alice", name])
            self.assertEqual(error.field, "users[1]")

    def test_too_many(self) -> None:
        """The list is bounded."""
        check_users([str(number) for number in range(USERS_MAX)])
        error = self.assertRaises(InvalidError, check_users, [str(number) for number in range(USERS_MAX + 1)])
        self.assertEqual(error.field, "users")

    def test_one_text(self) -> None:
        """A text is not taken for the list of its letters."""
        self.assertEqual(self.assertRaises(InvalidError, check_users, "alice").field, "users")


class OriginTests(SynchronousTestCase):
    """Browser origins (RFC 6454, section 6.2)."""

    def test_allowed(self) -> None:
        """What browsers send is allowed."""
        origins = [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://[2001:db8::1]",
            "chrome-extension://abcdefghijklmnop",
            "http://app.example:443",
        ]
        self.assertEqual(check_origins(origins), frozenset(origins))

    def test_refused(self) -> None:
        """What no browser sends, and so would never match, is refused by place."""
        for origin in (
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example?q",
            "https://app.example#f",
            "HTTPS://app.example",
            "https://App.example",
            "https://user@app.example",
            "https://app.example:",
            "https://app.example:0",
            "https://app.example:65536",
            "https://app.example:080",
            "https://app.example:443",
            "http://app.example:80",
            "https://[nonsense]",
            "https://[1::2::3]",
            "https://app.example\n",
            " https://app.example",
            None,
        ):
            error = self.assertRaises(InvalidError, check_origins, ["https://app.example", origin])
            self.assertEqual(error.field, "api_allowed_origins[1]", origin)

    def test_too_many(self) -> None:
        """The list is bounded."""
        origins = [f"https://{number}.example" for number in range(ORIGINS_MAX + 1)]
        check_origins(origins[1:])
        self.assertEqual(self.assertRaises(InvalidError, check_origins, origins).field, "api_allowed_origins")


class ResourceTests(SynchronousTestCase):
    """Figures, some of them given."""

    def test_merged(self) -> None:
        """What is given replaces, what is left out stays."""
        present = Resources(cpus=2, memory_gb=3, disk_gb=4)
        self.assertEqual(merge_resources(present, None), present)
        self.assertEqual(merge_resources(present, ResourcesChange()), present)
        self.assertEqual(
            merge_resources(present, ResourcesChange(memory_gb=0.5)), Resources(cpus=2, memory_gb=0.5, disk_gb=4)
        )

    def test_refused(self) -> None:
        """A figure out of range is refused by name."""
        error = self.assertRaises(InvalidError, merge_resources, Resources(), ResourcesChange(memory_gb=0.1))
        self.assertEqual(error.field, "resources.memory_gb")
