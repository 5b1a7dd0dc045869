"""The console's state as JSON, for polling while the socket is down."""

from __future__ import annotations

import time

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dashboard.live import snapshot


class SnapshotView(APIView):
    """GET: everything that ticks. ``t`` is the time of the answer in epoch milliseconds."""

    def get(self, request: Request) -> Response:
        current = snapshot()
        return Response(
            {
                "t": int(time.time() * 1000),
                "values": current.values,
                "versions": current.versions,
            }
        )
