"""Rows of the analysis: prompts, profiles, pictures, answers, calls, spending, examinations."""

from analysis.models.examining import CanaryRun, EyeTest
from analysis.models.profiles import AnalystHealth, AnalystProfile
from analysis.models.prompts import Prompt, PromptVersion
from analysis.models.readings import Analysis, ChartImage, ChartUpload, ModelCall
from analysis.models.spending import Spend

__all__ = [
    "Analysis",
    "AnalystHealth",
    "AnalystProfile",
    "CanaryRun",
    "ChartImage",
    "ChartUpload",
    "EyeTest",
    "ModelCall",
    "Prompt",
    "PromptVersion",
    "Spend",
]
