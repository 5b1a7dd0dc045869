"""What a model is told. A version is never changed; a change is a new version."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Prompt(models.Model):
    """A named line of prompt versions."""

    name = models.CharField(max_length=80, unique=True)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class PromptVersion(models.Model):
    """One immutable pair of texts: ``system_text`` stays the same for every chart, ``user_text``
    goes with each one and holds the variables. ``sha256`` covers both."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    system_text = models.TextField(default="")
    user_text = models.TextField(default="")
    sha256 = models.CharField(max_length=64)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("prompt", "number"), name="prompt_version_number")
        ]

    def __str__(self) -> str:
        return f"{self.prompt} v{self.number}"
