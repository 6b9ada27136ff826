"""All cases, by subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from tests.edge.hostile import (
    chunks,
    fields,
    hop_by_hop,
    hosts,
    pipelines,
    request_framing,
    request_lines,
    response_framing,
    responses,
    targets,
)
from tests.edge.hostile.case import Case, RequestCase, ResponseCase

CaseT = TypeVar("CaseT", bound=Case)


def _subject(subject: str, cases: Sequence[CaseT]) -> list[CaseT]:
    return [replace(case, subject=subject) for case in cases]


REQUESTS: list[RequestCase] = [
    *_subject("methods", request_lines.METHODS),
    *_subject("versions", request_lines.VERSIONS),
    *_subject("request lines", request_lines.SPACES),
    *_subject("other protocols", request_lines.OTHER_PROTOCOLS),
    *_subject("targets", targets.CHARACTERS),
    *_subject("target forms", targets.FORMS),
    *_subject("Host", hosts.HOSTS),
    *_subject("field names", fields.NAMES),
    *_subject("field values", fields.VALUES),
    *_subject("field lines", fields.LINES),
    *_subject("sizes", fields.SIZES),
    *_subject("underscores", fields.UNDERSCORES),
    *_subject("Content-Length", request_framing.LENGTHS),
    *_subject("both framings", request_framing.BOTH),
    *_subject("Transfer-Encoding", request_framing.CODINGS),
    *_subject("chunks", chunks.REQUEST_CHUNKS),
    *_subject("trailers", chunks.REQUEST_TRAILERS),
    *_subject("Connection", hop_by_hop.REQUEST_CONNECTION),
    *_subject("who sent it", hop_by_hop.FORWARDED),
    *_subject("Expect and Max-Forwards", hop_by_hop.EXPECTATIONS),
    *_subject("Via", hop_by_hop.VIA),
    *_subject("Upgrade", hop_by_hop.REQUEST_UPGRADES),
    *_subject("pipelines", pipelines.PIPELINES),
    *_subject("cut requests", pipelines.CUTS),
]

RESPONSES: list[ResponseCase] = [
    *_subject("status lines", responses.STATUS_LINES),
    *_subject("response fields", responses.RESPONSE_FIELDS),
    *_subject("interim responses", responses.INTERIMS),
    *_subject("response Content-Length", response_framing.RESPONSE_LENGTHS),
    *_subject("response Transfer-Encoding", response_framing.RESPONSE_CODINGS),
    *_subject("responses without a body", response_framing.BODILESS),
    *_subject("response chunks", chunks.RESPONSE_CHUNKS),
    *_subject("response trailers", chunks.RESPONSE_TRAILERS),
    *_subject("response Connection", hop_by_hop.RESPONSE_CONNECTION),
    *_subject("response Upgrade", hop_by_hop.RESPONSE_UPGRADES),
    *_subject("surplus", response_framing.SURPLUS),
    *_subject("cut heads", response_framing.HEADS_CUT),
    *_subject("cut responses", response_framing.TRUNCATIONS),
]
