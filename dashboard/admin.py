"""The admin's frame: users in its look, the mode on every page, and the way to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from dashboard.selectors.accounts import account_list, bar_mode
from exchange.admin import StyledAdmin
from exchange.choices import Mode

if TYPE_CHECKING:
    AdminPasswordChangeForm: Any
    UserChangeForm: Any
    UserCreationForm: Any
    Users = UserAdmin[User]
else:
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    Users = UserAdmin

COLOURS = {Mode.LIVE: "danger", Mode.PAPER: "warning"}

# The schedule belongs to the code; a job changed by hand here would be set back at the next start.
admin.site.unregister(
    [ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule]
)
admin.site.unregister([User, Group])


@admin.register(User)
class ConsoleUserAdmin(Users, StyledAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class ConsoleGroupAdmin(GroupAdmin, StyledAdmin):
    pass


def environment(request: HttpRequest) -> list[str]:
    """Text and colour of the chip on every admin page: red as soon as real money is at stake."""
    del request
    accounts = list(account_list())
    mode = bar_mode(accounts, accounts[0] if accounts else None)
    return [mode or "no account", COLOURS.get(Mode(mode), "info") if mode else "info"]
