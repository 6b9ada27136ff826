"""`rpc.discover`: the control API as an OpenRPC 1.3 document (spec.open-rpc.org), made from the messages' types."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import msgspec

from nexus.control.faults import ERROR_CODES
from nexus.control.methods import METHODS, Method

_REFERENCE: Final = "#/components/schemas/{name}"


@cache
def openrpc_document() -> bytes:
    """The document, as JSON."""
    types = [kind for method in METHODS.values() for kind in (method.request, method.answer)]
    _, schemas = msgspec.json.schema_components(list(dict.fromkeys(types)), ref_template=_REFERENCE)
    document = {
        "openrpc": "1.3.2",
        "info": {"title": "Nexus control API", "version": version("nexus-ipfs")},
        "methods": [_describe(method, schemas) for method in METHODS.values()],
        "components": {"schemas": schemas},
    }
    return msgspec.json.encode(document)


def _describe(method: Method, schemas: dict[str, Any]) -> dict[str, Any]:
    request = schemas[method.request.__name__]
    return {
        "name": method.name,
        "summary": method.summary,
        "description": method.documentation,
        "paramStructure": "by-name",
        "params": [
            {
                "name": item.name,
                "required": item.name in request.get("required", ()),
                "schema": request["properties"][item.name],
            }
            for item in fields(method.request)
        ],
        "result": {"name": method.answer.__name__, "schema": {"$ref": _REFERENCE.format(name=method.answer.__name__)}},
        "errors": [
            {"code": code, "message": row.kind.__name__}
            for code, row in {row.code: row for row in reversed(ERROR_CODES)}.items()
        ],
    }
