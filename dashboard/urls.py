"""Addresses of the console."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from dashboard.api.views import SnapshotView
from dashboard.views import (
    accounting,
    analysts,
    blackouts,
    charts,
    connect,
    connection,
    control,
    counterfactuals,
    cycles,
    funnel,
    overview,
    safety,
    trades,
    uploads,
)

login = LoginView.as_view(template_name="dashboard/login.html", redirect_authenticated_user=True)

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login/", login, name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", control.account_switch, name="account"),
    path("fragments/<slug:name>/", overview.fragment, name="fragment"),
    path("cycles/", cycles.cycles, name="cycles"),
    path("cycles/<int:cycle_id>/", cycles.cycle, name="cycle"),
    path("trades/", trades.trades, name="trades"),
    path("trades/<int:trade_id>/", trades.trade, name="trade"),
    path("trades/<int:trade_id>/<slug:kind>/", trades.wish, name="trade_wish"),
    path("commands/<int:command_id>/", trades.command, name="command"),
    path("approvals/<int:approval_id>/", control.approval, name="approval"),
    path("bots/", control.bots, name="bots"),
    path("bots/<int:bot_id>/state/", control.bot_state, name="bot_state"),
    path("bots/<int:bot_id>/cost/", control.bot_cost, name="bot_cost"),
    path("bots/<int:bot_id>/run/", cycles.run_now, name="run_now"),
    path("analysts/", analysts.analysts, name="analysts"),
    path("analysts/calls/<int:call_id>/", analysts.call, name="call"),
    path("analysts/calls/<int:call_id>.png", analysts.call_picture, name="call_picture"),
    path("analysts/uploads/", uploads.uploads, name="uploads"),
    path("analysts/uploads/<int:upload_id>.png", uploads.upload_picture, name="upload_picture"),
    path("funnel/", funnel.funnel, name="funnel"),
    path("blackouts/", blackouts.blackouts, name="blackouts"),
    path("blackouts/<int:blackout_id>/", blackouts.blackout, name="blackout"),
    path("blackouts/<int:blackout_id>/switch/", blackouts.blackout_switch, name="blackout_switch"),
    path("counterfactuals/", counterfactuals.counterfactuals, name="counterfactuals"),
    path("events/", control.events, name="events"),
    path("safety/", safety.safety, name="safety"),
    path("connection/", connection.connection_page, name="connection"),
    path("connection/examine/", connection.connection_examine, name="connection_examine"),
    path("connection/fix/<slug:fix>/", connection.connection_fix, name="connection_fix"),
    path("connection/key/", connection.connection_key, name="connection_key"),
    path("connect/", connect.connect, name="connect"),
    path("connect/fix/<slug:fix>/", connect.connect_fix, name="connect_fix"),
    path("connect/create/", connect.connect_create, name="connect_create"),
    path("connect/forget/", connect.connect_forget, name="connect_forget"),
    path("accounting/", accounting.accounting, name="accounting"),
    path("accounting/ledger.csv", accounting.ledger_file, name="ledger_file"),
    path("accounting/compare/", accounting.wallet_compare, name="wallet_compare"),
    path("kill/", control.kill, name="kill"),
    path("plug/", control.plug, name="plug"),
    path("charts/<int:analysis_id>.png", charts.analysis_chart, name="chart"),
    path("charts/trades/<int:trade_id>.png", charts.trade_chart, name="trade_chart"),
    path("api/v1/snapshot", SnapshotView.as_view(), name="snapshot"),
]
