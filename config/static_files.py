"""Static files as whole answers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    """Reads a file before it is sent instead of handing out a stream.

    An ASGI server cannot await an ordinary file, so Django would read the stream to its end
    anyway and warn about it with every request. The largest file is a few hundred kilobytes.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file as file:
                body = file.read()
        answer = HttpResponse(body, status=found.status)
        # What kind of file it is stands among its headers, unless nothing is sent.
        del answer["Content-Type"]
        for name, value in found.headers:
            answer[name] = value
        return answer
