"""/v1/clones: recordings of a person come in, some minutes later a voice of theirs comes out."""

import base64
import binascii
import io
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import FileResponse

from sori.app.clone_jobs import BusyError, Job, Recorded, Workshop
from sori.app.faults import ApiError
from sori.app.voice_bank import VoiceBank

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,31}$"  # also the name of a file
FEWEST, MOST = 3, 20
RECORDING_BYTES = 2**20  # 21 s at 24,000 Hz
# base64 takes four bytes for three, and texts take some.
BODY_BYTES = MOST * (4 * RECORDING_BYTES // 3 + 4096)
VOICE_TYPE = "application/octet-stream"


class Recording(BaseModel):
    """A recording and what is said in it."""

    model_config = ConfigDict(extra="forbid")
    audio: Annotated[
        str, Field(max_length=4 * RECORDING_BYTES // 3 + 4, description="A wav file, in base64.")
    ]
    text: Annotated[
        str, Field(max_length=500, description="What is said; without it, a recogniser listens.")
    ] = ""


class CloneRequest(BaseModel):
    """Of whom to make a voice."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(pattern=NAME, description="Of the voice.")]
    consent: Annotated[bool, Field(description="The speaker agreed; written into the voice.")]
    accent: Literal["us", "gb"] = "us"
    recordings: Annotated[list[Recording], Field(min_length=FEWEST, max_length=MOST)]


class JobDetails(BaseModel):
    """How far a voice is."""

    id: str
    name: str
    state: Literal["running", "done", "failed", "cancelled"]
    stage: str
    share: Annotated[float, Field(description="Of the work that is done, 0 to 1.")]
    seconds: float
    message: Annotated[str, Field(description="Why it failed.")]


class JobList(BaseModel):
    """The voices that this server was asked for since it began."""

    object: Literal["list"] = "list"
    data: list[JobDetails]


def details(job: Job) -> JobDetails:
    seconds = round(job.seconds, 1)
    return JobDetails(
        id=job.id,
        name=job.name,
        state=job.state,
        stage=job.stage,
        share=job.share,
        seconds=seconds,
        message=job.message,
    )


def clone_routes(workshop: Workshop, bank: VoiceBank) -> APIRouter:
    """The routes that take recordings and tell what becomes of them."""
    router = APIRouter(prefix="/v1/clones")

    def known(job_id: str) -> Job:
        if job_id not in workshop.jobs:
            raise ApiError(404, "there is no such voice in the making", code="clone_not_found")
        return workshop.jobs[job_id]

    @router.get("")
    async def jobs() -> JobList:
        """Voices in the making, and those that were made or failed."""
        return JobList(data=[details(job) for job in workshop.jobs.values()])

    @router.post("", status_code=202)
    def begin(request: CloneRequest) -> JobDetails:
        """Begin to make a voice; one at a time."""
        if not request.consent:
            raise ApiError(
                400, "a voice is made only with the speaker's consent", "consent", "no_consent"
            )
        if bank.knows(request.name):
            raise ApiError(
                400, f"{request.name} is the name of a voice already", "name", "name_taken"
            )
        recordings = [read(number, each) for number, each in enumerate(request.recordings, 1)]
        try:
            return details(workshop.begin(request.name, request.accent, recordings))
        except BusyError as error:
            raise ApiError(409, str(error), code="busy") from error
        except OSError as error:
            raise ApiError(
                507, f"the recordings cannot be kept: {error.strerror}", code="no_room"
            ) from error

    @router.get("/{job_id}")
    async def job(job_id: str) -> JobDetails:
        """How far a voice is."""
        return details(known(job_id))

    @router.delete("/{job_id}")
    def cancel(job_id: str) -> JobDetails:
        """Stop making a voice; one that has ended stays as it is."""
        workshop.cancel(known(job_id))
        return details(known(job_id))

    @router.get(
        "/{job_id}/voice",
        response_class=FileResponse,
        responses={200: {"content": {VOICE_TYPE: {}}}},
    )
    def voice(job_id: str) -> FileResponse:
        """The file of a finished voice."""
        made = known(job_id)
        place = workshop.place(made)
        if made.state != "done" or not place.is_file():
            raise ApiError(404, f"the voice {made.name} is not there", code="clone_not_found")
        return FileResponse(place, media_type=VOICE_TYPE, filename=place.name)

    return router


def read(number: int, recording: Recording) -> Recorded:
    """The bytes of a recording.

    Raises:
        ApiError: they are no wav file.
    """
    import soundfile

    try:
        wav = base64.b64decode(recording.audio, validate=True)
        if soundfile.info(io.BytesIO(wav)).format not in ("WAV", "WAVEX"):
            raise ValueError
    except (binascii.Error, ValueError, soundfile.SoundFileError) as error:
        what = f"recording {number} is not a wav file in base64"
        raise ApiError(400, what, "recordings", "invalid_recording") from error
    return Recorded(wav, recording.text)
