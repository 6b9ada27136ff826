"""What the engine's failures mean: a table of what Docker really says."""

from __future__ import annotations

import json

import requests
import urllib3.exceptions
from docker.errors import APIError, DockerException
from twisted.trial.unittest import SynchronousTestCase

from nexus.containers.translation import ENGINE_FAILURES, timed_out, translate
from nexus.errors import (
    CapsRefusedError,
    ContainerConflictError,
    ContainerNotFoundError,
    EngineError,
    EngineUnreachableError,
    ImageMissingError,
    NameTakenError,
    NoSpaceError,
    PortTakenError,
)

ID = "c34d8602670b102418b60c8fce951e401d8f83aa64108a569fa470285b5d3937"
CONNECTIVITY = f"driver failed programming external connectivity on endpoint crp-b ({ID}): "

REFUSALS: tuple[tuple[int, str, type[EngineError], str], ...] = (
    # The engine's words (20.10 unless said otherwise), what they mean, and what must be told.
    (404, "No such image: ipfs/kubo:v9", ImageMissingError, "pull or build it"),
    (404, "no such image: no/such:1: No such image: no/such:1", ImageMissingError, "no/such:1"),
    (
        409,
        f'Conflict. The container name "/crp-a" is already in use by container "{ID}". You have to remove (or rename)'
        " that container to be able to reuse that name.",
        NameTakenError,
        "another container has the name",
    ),
    (409, "network with name crp-n already exists", NameTakenError, "crp-n"),
    (
        403,
        f"cannot create network {ID} (crp0): conflicts with network {ID} (crp0): networks have same bridge name",
        NameTakenError,
        "bridge interface",
    ),
    (
        500,
        CONNECTIVITY + "Bind for 127.0.0.1:24999 failed: port is already allocated",
        PortTakenError,
        "127.0.0.1:24999 is published by another container",
    ),
    (
        500,
        CONNECTIVITY + "Error starting userland proxy: listen tcp4 127.0.0.1:24998: bind: address already in use",
        PortTakenError,
        "127.0.0.1:24998 is in use",
    ),
    (
        500,
        # Docker 28.
        "failed to set up container networking: driver failed programming external connectivity on endpoint x"
        f" ({ID}): failed to bind host port for 127.0.0.1:24998:172.17.0.2:80/tcp: address already in use",
        PortTakenError,
        "127.0.0.1:24998 is in use",
    ),
    (403, "Address already in use", PortTakenError, "the container's address is in use"),
    (
        500,
        CONNECTIVITY
        + "Error starting userland proxy: listen tcp4 203.0.113.9:24997: bind: cannot assign requested address",
        EngineError,
        "203.0.113.9:24997 is not an address of this host",
    ),
    (500, "mkdir /var/lib/docker/overlay2/x: no space left on device", NoSpaceError, "disk is full"),
    (500, "write /var/lib/docker/volumes/x: disk quota exceeded", NoSpaceError, "quota"),
    (404, "No such container: nope", ContainerNotFoundError, "gone"),
    (404, "network crp-none not found", EngineError, "network crp-none not found"),
    (404, f"No such exec instance: {ID}", ContainerConflictError, "stopped"),
    (409, f"Container {ID} is not running", ContainerConflictError, "not running"),
    (409, f"Container {ID} is paused, unpause the container before exec", ContainerConflictError, "paused"),
    (409, "cannot start a paused container, try unpause instead", ContainerConflictError, "unpause"),
    (409, f"removal of container {ID} is already in progress", ContainerConflictError, "removal"),
    (409, f"remove crp-v: volume is in use - [{ID}]", ContainerConflictError, "still uses it"),
    (
        403,
        f"error while removing network: network crp-n id {ID} has active endpoints",
        ContainerConflictError,
        "still connected",
    ),
    (
        500,
        "runc did not terminate successfully: exit status 1: unable to set memory limit to 250000000"
        " (current usage: 468168704, peak usage: 919744512) : unknown",
        CapsRefusedError,
        "the container uses more memory than that now: let it use less, or stop it first",
    ),
    (400, "Minimum memory limit allowed is 6MB", CapsRefusedError, "Minimum memory limit allowed is 6MB"),
    (
        400,
        "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        CapsRefusedError,
        "only 2 CPUs available",
    ),
    (500, "", EngineError, "Internal Server Error"),
)


def make_response(status: int, body: bytes) -> requests.Response:
    """An answer of the engine, as the SDK holds it."""
    response = requests.Response()
    response.status_code = status
    response.reason = "Internal Server Error"
    response._content = body
    return response


def make_refusal(status: int, message: str) -> APIError:
    """The SDK's exception for a refusal."""
    return APIError("refused", response=make_response(status, json.dumps({"message": message}).encode()))


def make_broken(cause: Exception) -> requests.ConnectionError:
    """What the SDK raises for a connection that `cause` broke."""
    return requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", cause))


class TranslationTests(SynchronousTestCase):
    """Errors in the domain's words, from the engine's."""

    def test_refusals(self) -> None:
        """Each refusal becomes what it means, and names what was asked for."""
        for status, message, kind, told in REFUSALS:
            error = translate("start container a", make_refusal(status, message))
            self.assertIs(type(error), kind, message)
            self.assertIn(told, str(error))
            self.assertTrue(str(error).startswith("start container a: "), str(error))
            self.assertEqual(error.operation, "start container a")

    def test_unreachable(self) -> None:
        """Each way in which no engine answers is told with its remedy."""
        for cause, told in (
            (FileNotFoundError(2, "No such file or directory"), "there is no socket at /run/docker.sock: install"),
            (
                ConnectionRefusedError(111, "Connection refused"),
                "nothing listens at /run/docker.sock: start the engine",
            ),
            (PermissionError(13, "Permission denied"), "permission denied at /run/docker.sock: add this user to"),
            (ConnectionResetError(104, "Connection reset by peer"), "ECONNRESET"),
            (BrokenPipeError(32, "Broken pipe"), "is it restarting?"),
        ):
            error = translate("list containers", make_broken(cause), socket="unix:///run/docker.sock")
            self.assertIs(type(error), EngineUnreachableError)
            self.assertIn(told, str(error))

    def test_closed_connection(self) -> None:
        """An engine that hangs up in the middle is not reachable."""
        for failure in (
            make_broken(ConnectionError("Remote end closed connection without response")),
            requests.exceptions.ChunkedEncodingError("Connection broken"),
        ):
            error = translate("list containers", failure, socket="unix:///run/docker.sock")
            self.assertIs(type(error), EngineUnreachableError)
            self.assertIn("the engine closed the connection at /run/docker.sock", str(error))

    def test_wrapped_by_the_sdk(self) -> None:
        """The reason is found in whatever the SDK wraps it."""
        try:
            try:
                raise make_broken(PermissionError(13, "Permission denied"))
            except requests.RequestException as error:
                raise DockerException("Error while fetching server API version") from error
        except DockerException as error:
            translated = translate("reach the engine", error)
        self.assertIs(type(translated), EngineUnreachableError)
        self.assertIn("permission denied", str(translated))

    def test_timeout(self) -> None:
        """A silent engine is told of with the time that it was given, at whatever layer it was noticed."""
        silent = urllib3.exceptions.ReadTimeoutError(
            urllib3.connectionpool.HTTPConnectionPool("localhost"), "/", "Read timed out."
        )
        for failure in (requests.ReadTimeout(silent), requests.ConnectionError(silent), TimeoutError("timed out")):
            self.assertTrue(timed_out(failure))
            error = translate("stop container a", failure, timeout_s=70)
            self.assertIs(type(error), EngineError)
            self.assertEqual(str(error), "stop container a: the engine did not answer within 70 s")
        self.assertFalse(timed_out(make_broken(ConnectionResetError(104, "reset"))))

    def test_one_line(self) -> None:
        """An explanation is one printable line of bounded length, also when the engine does not answer in JSON."""
        page = make_response(500, b"<html>\n\x1b[31mbad\x00</html>" + b"x" * 10_000)
        error = translate("list containers", APIError("refused", response=page))
        self.assertTrue(str(error).isprintable())
        self.assertLess(len(str(error)), 600)
        self.assertIn("<html> [31mbad </html>", str(error))

    def test_anything_else(self) -> None:
        """What nobody foresaw is still the engine's error, told in its words."""
        self.assertEqual(str(translate("list", DockerException("odd"))), "list: odd")
        self.assertEqual(str(translate("list", DockerException())), "list: DockerException")

    def test_own_errors_pass(self) -> None:
        """An error that is translated already is left alone."""
        error = NoSpaceError("create", "full")
        self.assertIs(translate("start", error), error)

    def test_what_is_caught(self) -> None:
        """The SDK's, its HTTP library's and the sockets' errors are the engine's failures; our own bugs are not."""
        for failure in (make_refusal(500, "x"), make_broken(OSError(1, "x")), DockerException(), OSError()):
            self.assertIsInstance(failure, ENGINE_FAILURES)
        for bug in (KeyError("Id"), TypeError(), ValueError()):
            self.assertNotIsInstance(bug, ENGINE_FAILURES)
