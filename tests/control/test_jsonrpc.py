"""JSON-RPC 2.0, as bytes: every example of the specification's section 7, and the limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from nexus.control import jsonrpc
from nexus.control.jsonrpc import BATCH_MAX, DEPTH_MAX, Call, Fault, Refusal

INVALID: dict[str, Any] = {
    "jsonrpc": "2.0",
    "error": {"code": -32600, "message": "Invalid Request"},
    "id": None,
}
UNPARSABLE: dict[str, Any] = {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None}

EXAMPLES: tuple[tuple[str, str, Any], ...] = (
    ("positional 1", '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', 19),
    ("positional 2", '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', -19),
    ("named 1", '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}', 19),
    ("named 2", '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}', 19),
)


def subtract(params: Any) -> Any:
    """The specification's example."""
    first, second = params if isinstance(params, list) else (params["minuend"], params["subtrahend"])
    return first - second


PROCEDURES: dict[str, Callable[[Any], Any]] = {
    "subtract": subtract,
    "sum": sum,
    "update": lambda params: None,
    "notify_hello": lambda params: None,
    "notify_sum": sum,
    "get_data": lambda params: ["hello", 5],
}


def serve(body: str | bytes) -> Any:
    """What a server with those procedures answers; None for nothing. The `data` of errors, an addition that section
    5.1 allows, is left out."""
    message = jsonrpc.decode(body.encode() if isinstance(body, str) else body)
    responses = []
    for part in message.parts:
        if isinstance(part, Refusal):
            responses.append(jsonrpc.encode_fault(part.id, part.fault))
        elif part.id is not None and part.method not in PROCEDURES:
            responses.append(jsonrpc.encode_fault(part.id, Fault(-32601, "Method not found")))
        elif part.method in PROCEDURES:
            result = PROCEDURES[part.method](json.loads(part.params or b"[]"))
            if part.id is not None:
                responses.append(jsonrpc.encode_result(part.id, json.dumps(result).encode()))
    answered = jsonrpc.join(responses, message.is_batch)
    if not answered:
        return None
    told = json.loads(answered)
    for response in told if isinstance(told, list) else [told]:
        response.get("error", {}).pop("data", None)
    return told


class SpecificationTests(SynchronousTestCase):
    """Section 7, in its order."""

    def test_parameters(self) -> None:
        """Calls with positional and with named parameters."""
        for number, (name, body, result) in enumerate(EXAMPLES, 1):
            self.assertEqual(serve(body), {"jsonrpc": "2.0", "result": result, "id": number}, name)

    def test_notification(self) -> None:
        """Notifications are not answered, neither of a known method nor of an unknown one."""
        self.assertIsNone(serve('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}'))
        self.assertIsNone(serve('{"jsonrpc": "2.0", "method": "foobar"}'))

    def test_unknown_method(self) -> None:
        """A method that does not exist."""
        self.assertEqual(
            serve('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}'),
            {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"},
        )

    def test_invalid_json(self) -> None:
        """A body that is no JSON."""
        self.assertEqual(serve('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]'), UNPARSABLE)

    def test_invalid_request(self) -> None:
        """JSON that is no request."""
        self.assertEqual(serve('{"jsonrpc": "2.0", "method": 1, "params": "bar"}'), INVALID)

    def test_batch_of_invalid_json(self) -> None:
        """A batch that is no JSON gets one error."""
        body = '[ {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method" ]'
        self.assertEqual(serve(body), UNPARSABLE)

    def test_empty_batch(self) -> None:
        """An empty array gets one error, not a list."""
        self.assertEqual(serve("[]"), INVALID)

    def test_invalid_batch(self) -> None:
        """What is no call in a batch gets an error each."""
        self.assertEqual(serve("[1]"), [INVALID])
        self.assertEqual(serve("[1,2,3]"), [INVALID, INVALID, INVALID])

    def test_batch(self) -> None:
        """Good, bad and notifications mixed."""
        body = """[
            {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
            {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]"""
        self.assertEqual(
            serve(body),
            [
                {"jsonrpc": "2.0", "result": 7, "id": "1"},
                {"jsonrpc": "2.0", "result": 19, "id": "2"},
                INVALID,
                {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
                {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"},
            ],
        )

    def test_batch_of_notifications(self) -> None:
        """A batch of notifications is answered with nothing, not with an empty list."""
        body = (
            '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},'
            ' {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]'
        )
        self.assertIsNone(serve(body))


def refusal_of(body: str | bytes) -> tuple[int, bytes]:
    """Code and id of the one refusal that `body` gets."""
    message = jsonrpc.decode(body.encode() if isinstance(body, str) else body)
    (part,) = message.parts
    assert isinstance(part, Refusal), part
    assert not message.is_batch
    return part.fault.code, part.id


class IdTests(SynchronousTestCase):
    """An id comes back as it was sent, to the byte."""

    def test_echoed(self) -> None:
        """Texts, numbers of any size, fractions and null."""
        for call_id in (
            '"1"',
            '""',
            r'"\u00e9\n\"x"',
            '"ünï"',
            "null",
            "0",
            "-1",
            "1.50",
            "1e3",
            "1E400",
            "123456789012345678901234567890123456789012345678901234567890",
            "9" * 5000,
        ):
            message = jsonrpc.decode(f'{{"jsonrpc":"2.0","method":"x","id": {call_id} }}'.encode())
            (part,) = message.parts
            assert isinstance(part, Call)
            assert part.id is not None
            self.assertEqual(part.id, call_id.encode())
            self.assertIn(f'"id":{call_id}}}'.encode(), jsonrpc.encode_result(part.id, b"1"))

    def test_unfit(self) -> None:
        """Booleans, arrays and objects are no ids."""
        for call_id in ("true", "false", "[]", "[1]", "{}"):
            self.assertEqual(refusal_of(f'{{"jsonrpc":"2.0","method":"x","id":{call_id}}}'), (-32600, b"null"))

    def test_kept_in_refusals(self) -> None:
        """A call that is refused for something else keeps its id."""
        for body in (
            '{"method":"x","id":7}',
            '{"jsonrpc":"1.0","method":"x","id":7}',
            '{"jsonrpc":2.0,"method":"x","id":7}',
            '{"jsonrpc":"2.0","id":7}',
            '{"jsonrpc":"2.0","method":null,"id":7}',
            '{"jsonrpc":"2.0","method":"x","params":null,"id":7}',
            '{"jsonrpc":"2.0","method":"x","params":"y","id":7}',
            '{"jsonrpc":"2.0","method":"x","params":1,"id":7}',
        ):
            self.assertEqual(refusal_of(body), (-32600, b"7"))


class StrictnessTests(SynchronousTestCase):
    """What is refused, and up to where not."""

    def test_no_json(self) -> None:
        """Everything that is no UTF-8 JSON text is a parse error."""
        for body in (
            b"",
            b" ",
            b"\xff",
            b'"\xff"',
            b"\xef\xbb\xbf{}",
            b"{}x",
            b"{'a':1}",
            b'{"a":01}',
            b'{"a":NaN}',
            b'{"a":-Infinity}',
            b'{"a":1,}',
            b'{"id":"\\ud800"}',
            b'"\x00"',
            '{"jsonrpc":"2.0"}'.encode("utf-16"),
            b'"' + b'\\"' * 100_000,
        ):
            self.assertEqual(refusal_of(body), (-32700, b"null"), body[:20])

    def test_no_call(self) -> None:
        """JSON that is no object is an invalid request."""
        for body in ("1", "null", '"x"', "true", "{}"):
            self.assertEqual(refusal_of(body), (-32600, b"null"))

    def test_long_doubled_name(self) -> None:
        """One of any length is told by its beginning."""
        name = "x" * 10**5
        (part,) = jsonrpc.decode(f'{{"{name}":1,"{name}":1}}'.encode()).parts
        assert isinstance(part, jsonrpc.Refusal)
        self.assertLess(len(part.fault.data["detail"]), 200)

    def test_doubled_names(self) -> None:
        """A name that comes twice is refused at any depth: two readers could read two things."""
        for body in (
            '{"jsonrpc":"2.0","method":"x","id":1,"id":2}',
            '{"jsonrpc":"2.0","method":"x","\\u006dethod":"y","id":1}',
            '{"jsonrpc":"2.0","method":"x","params":{"a":{"b":1,"b":2}},"id":1}',
        ):
            self.assertEqual(refusal_of(body), (-32600, b"null"))

    def test_depth(self) -> None:
        """Nesting is limited, and brackets inside texts are none."""
        for depth, fits in ((DEPTH_MAX, True), (DEPTH_MAX + 1, False), (100_000, False)):
            params = "[" * (depth - 1) + "]" * (depth - 1)
            (part,) = jsonrpc.decode(f'{{"jsonrpc":"2.0","method":"x","params":{params},"id":1}}'.encode()).parts
            self.assertEqual(isinstance(part, Call), fits)
        text = "[{" * 100 + r"\"[" * 100
        (part,) = jsonrpc.decode(f'{{"jsonrpc":"2.0","method":"x","params":["{text}"],"id":1}}'.encode()).parts
        self.assertIsInstance(part, Call)

    def test_batch_limit(self) -> None:
        """A batch may be so long and no longer; a longer one gets one error."""
        call = '{"jsonrpc":"2.0","method":"x","id":1}'
        message = jsonrpc.decode(f"[{','.join([call] * BATCH_MAX)}]".encode())
        self.assertEqual(len(message.parts), BATCH_MAX)
        self.assertEqual(refusal_of(f"[{','.join([call] * (BATCH_MAX + 1))}]"), (-32600, b"null"))

    def test_other_members(self) -> None:
        """Members that JSON-RPC does not name are ignored."""
        (part,) = jsonrpc.decode(b'{"jsonrpc":"2.0","method":"x","id":1,"trace":{"a":1}}').parts
        self.assertEqual(part, Call("x", None, b"1"))

    def test_white_space(self) -> None:
        """White space around and between is no matter."""
        (part,) = jsonrpc.decode(b'\r\n\t {\n"jsonrpc" : "2.0", "method":"x" , "params" : { } }\n ').parts
        self.assertEqual(part, Call("x", b"{ }", None))
        self.assertTrue(jsonrpc.decode(b' \n [ {"jsonrpc":"2.0","method":"x"} ] ').is_batch)

    @given(st.binary() | st.text().map(str.encode))
    def test_never_raises(self, body: bytes) -> None:
        """Whatever comes gets an answer that is JSON."""
        for part in jsonrpc.decode(body).parts:
            if isinstance(part, Refusal):
                json.loads(jsonrpc.encode_fault(part.id, part.fault))

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(codec="utf-8")),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=4)
            ),
            max_leaves=20,
        )
    )
    def test_params_unchanged(self, value: Any) -> None:
        """Parameters arrive as they were sent."""
        body = json.dumps({"jsonrpc": "2.0", "method": "x", "params": [value], "id": 1})
        (part,) = jsonrpc.decode(body.encode()).parts
        assert isinstance(part, Call)
        self.assertEqual(json.loads(part.params or b""), [value])


class ClientSideTests(SynchronousTestCase):
    """The other end: calls written, responses read."""

    def test_call(self) -> None:
        """A call that is written is one that is read."""
        (part,) = jsonrpc.decode(jsonrpc.encode_call('Start"Network', b'{"network":"demo"}', 5)).parts
        self.assertEqual(part, Call('Start"Network', b'{"network":"demo"}', b"5"))

    def test_responses(self) -> None:
        """A result is its JSON text; an error is a fault, with an id or, if the server could not read it, without."""
        self.assertEqual(jsonrpc.decode_response(jsonrpc.encode_result(b"5", b'{"a":1}'), 5), b'{"a":1}')
        fault = Fault(-32001, "no network named 'demo'", {"field": "network"})
        self.assertEqual(jsonrpc.decode_response(jsonrpc.encode_fault(b"5", fault), 5), fault)
        self.assertEqual(jsonrpc.decode_response(jsonrpc.encode_fault(b"null", fault), 5), fault)

    def test_strange_responses(self) -> None:
        """What is no response to the call is refused."""
        for body in (b"", b"<html>", b"[]", b"{}", b'{"result":1,"id":6}', b'{"id":5}', b'{"error":{},"id":5}'):
            with self.assertRaises(ValueError):
                jsonrpc.decode_response(body, 5)
        self.assertTrue(issubclass(msgspec.DecodeError, ValueError))
