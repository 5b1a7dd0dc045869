"""Charts that people bring: kept as pictures of their own, read by a model, never traded on."""

from __future__ import annotations

from django.contrib.auth.models import User

from analysis.calls.asking import Asking
from analysis.errors import AnalysisInvalid, AnalystError
from analysis.foreign import foreign_read
from analysis.models import ChartUpload
from analysis.picture_store import PictureDamaged, foreign_store
from analysis.uploads import picture_clean

NAME_LENGTH = 120
PROBLEM_LENGTH = 300


def upload_store(*, user: User, data: bytes, file_name: str) -> ChartUpload:
    """Keep the picture, drawn anew. Raises ``UploadRefused`` with a sentence for its owner."""
    image = foreign_store(picture_clean(data), "upload")
    return ChartUpload.objects.create(user=user, image=image, file_name=file_name[:NAME_LENGTH])


def upload_answer(*, upload: ChartUpload, asking: Asking, deadline_at: float) -> ChartUpload:
    """Have the picture read and store what came of it, a problem included."""
    try:
        reading = foreign_read(asking, upload.image, deadline_at)
    except AnalysisInvalid as error:
        upload.problem = f"The model's answer was refused: {error}"[:PROBLEM_LENGTH]
    except (AnalystError, PictureDamaged) as error:
        upload.problem = str(error)[:PROBLEM_LENGTH] or "The model gave no answer."
    else:
        upload.reading, upload.call = reading.as_json(), reading.call
    upload.save(update_fields=["reading", "call", "problem"])
    return upload
