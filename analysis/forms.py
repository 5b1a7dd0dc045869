"""What people enter about models and prompts. A key goes in and never comes out again."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms

from analysis.cost import most_cost
from analysis.models import AnalystProfile, PromptVersion
from analysis.profiles import KeyInvalid, base_url_problem, check_key
from analysis.prompts.template import PromptInvalid
from analysis.prompts.versions import default_prompt_tokens, prompt_texts_check

# Unfold carries no types; what it adds to Django's widgets is its look.
if TYPE_CHECKING:
    UnfoldAdminPasswordWidget = forms.PasswordInput
    UnfoldAdminTextareaWidget = forms.Textarea
    UnfoldBooleanWidget = forms.CheckboxInput
    ProfileBase = forms.ModelForm[AnalystProfile]
    VersionBase = forms.ModelForm[PromptVersion]
else:
    from unfold.widgets import (
        UnfoldAdminPasswordWidget,
        UnfoldAdminTextareaWidget,
        UnfoldBooleanWidget,
    )

    ProfileBase = VersionBase = forms.ModelForm

PRICES = ("input_price", "cached_input_price", "output_price", "max_call_cost")
COSTING = (
    "model",
    "image_family",
    "image_detail",
    "image_tokens",
    "input_price",
    "output_price",
    "max_output_tokens",
)
PLAIN_TEXT = {
    "rows": 22,
    "spellcheck": "false",
    "style": "font-family: ui-monospace, monospace; font-size: 12px",
}


class ModelProfileForm(ProfileBase):
    """A model behind a server. ``api_key`` is written, never read."""

    api_key = forms.CharField(
        label="New API key",
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password", "spellcheck": "false"}
        ),
        help_text="Stored encrypted and never shown again. Empty keeps the one there is.",
    )
    remove_api_key = forms.BooleanField(
        label="Remove the stored key", required=False, widget=UnfoldBooleanWidget
    )

    class Meta:
        labels = {
            "base_url": "Base URL",
            "api_style": "Interface",
            "input_price": "Input",
            "cached_input_price": "Cached input",
            "output_price": "Output",
            "max_call_cost": "Most for one call",
            "timeout_s": "Timeout, seconds",
            "max_output_tokens": "Answer allowance, tokens",
            "image_tokens": "Tokens of a picture",
            "max_concurrency": "Calls at once",
            "safe_mode_after": "Safe mode after",
        }
        help_texts = {
            "max_output_tokens": "With what the model thinks before it writes.",
            "reasoning_effort": "Sent only where the model knows it.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["model"].required = True
        self.fields["model"].error_messages["required"] = (
            "Enter the model's id as its server spells it."
        )
        for name in PRICES:
            amount = self.initial.get(name)
            if isinstance(amount, Decimal):
                self.initial[name] = Decimal(format(amount.normalize(), "f"))

    def clean_base_url(self) -> str:
        address: str = self.cleaned_data["base_url"].strip().rstrip("/")
        problem = base_url_problem(address)
        if problem:
            raise forms.ValidationError(problem)
        return address

    def clean_api_key(self) -> str:
        key: str = self.cleaned_data["api_key"]
        try:
            check_key(key)
        except KeyInvalid as error:
            raise forms.ValidationError(str(error)) from None
        return key

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        self._keep_key_with_its_server(given)
        if not self.errors:
            self._refuse_a_cap_under_every_call(given)
        return given

    def _keep_key_with_its_server(self, given: dict[str, Any]) -> None:
        """A stored key is not sent to another server just because the address was changed."""
        moved = "base_url" in self.changed_data and "base_url" in given
        if given.get("api_key") and given.get("remove_api_key"):
            self.add_error("api_key", "Either enter a new key or remove the old one.")
        settled = given.get("api_key") or given.get("remove_api_key")
        if moved and self.instance.api_key_sealed and not settled:
            text = "The stored key was entered for another server: enter one for this server."
            self.add_error("api_key", text)

    def _refuse_a_cap_under_every_call(self, given: dict[str, Any]) -> None:
        """Under such a cap no call would ever be made."""
        asked = AnalystProfile(**{name: given[name] for name in given if name in COSTING})
        most = most_cost(asked, default_prompt_tokens())
        if most > given["max_call_cost"]:
            text = (
                f"One call can cost up to ${most:.4f} (prices, pictures and the whole answer "
                "allowance), so none would be made: raise this or lower the allowance."
            )
            self.add_error("max_call_cost", text)


class PromptVersionForm(VersionBase):
    """The next version of a prompt."""

    class Meta:
        model = PromptVersion
        fields = ("prompt", "note", "system_text", "user_text", "parent")
        labels = {
            "system_text": "System text",
            "user_text": "User text",
            "note": "What is different, and why",
        }
        widgets = {
            "system_text": UnfoldAdminTextareaWidget(attrs=PLAIN_TEXT),
            "user_text": UnfoldAdminTextareaWidget(attrs=PLAIN_TEXT | {"rows": 12}),
            "parent": forms.HiddenInput(),
        }
        help_texts = {
            "system_text": "The same for every chart; holds no variables.",
            "user_text": "Goes with each chart; {{ question_id }}, {{ timeframe }} and {{ table }} "
            "have to stand in it.",
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if {"prompt", "system_text", "user_text"} <= set(given):
            try:
                prompt_texts_check(given["prompt"], given["system_text"], given["user_text"])
            except PromptInvalid as error:
                self.add_error(error.field, str(error))
        return given
