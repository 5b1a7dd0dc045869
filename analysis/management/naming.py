"""Find what a command line names."""

from __future__ import annotations

from django.core.management.base import CommandError

from analysis.models import AnalystProfile, PromptVersion
from analysis.profiles import profile_problem
from analysis.prompts.versions import prompt_default


def profile_named(name: str) -> AnalystProfile:
    """The profile of that name. Raises ``CommandError`` with the names there are."""
    profile = AnalystProfile.objects.filter(name=name).first()
    if profile is None:
        names = ", ".join(AnalystProfile.objects.values_list("name", flat=True)) or "none yet"
        raise CommandError(f"there is no profile named {name!r}; there are: {names}")
    return profile


def model_profile_named(name: str) -> AnalystProfile:
    """The profile of that name, ready to ask. Raises ``CommandError`` saying what is wrong."""
    profile = profile_named(name)
    if not profile.asks_a_model:
        raise CommandError(f"{name} asks no model: there is nothing to examine")
    problem = profile_problem(profile)
    if problem:
        raise CommandError(problem)
    return profile


def prompt_named(text: str) -> PromptVersion:
    """The version that ``text`` names: "Chart reading" is its newest, "Chart reading v2" that
    one, and nothing the one that comes with the program."""
    if not text:
        return prompt_default()
    name, _, number = text.rpartition(" v")
    found = PromptVersion.objects.select_related("prompt").order_by("-number")
    if name and number.isdecimal():
        version = found.filter(prompt__name=name, number=int(number)).first()
    else:
        version = found.filter(prompt__name=text).first()
    if version is None:
        raise CommandError(f"there is no prompt version {text!r}")
    return version
