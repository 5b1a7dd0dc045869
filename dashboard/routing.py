"""Addresses of the sockets."""

from __future__ import annotations

from django.urls import path

from dashboard.consumers import ConsoleConsumer
from dashboard.hub import hub

websocket_urlpatterns = [path("ws/console/", ConsoleConsumer.as_asgi(hub=hub))]
