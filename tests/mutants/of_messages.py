"""Fakes that break a claim about a request or one response to it."""

from mutants.registering import FORBIDDEN, generations, mutant, on, refused
from mutants.wsgi import Answered

# Authorization


@mutant("auth.bare-token")
def a_bare_token_is_refused(asked, _):
    return (
        FORBIDDEN
        if asked.operation == "list" and asked.authorization and " " not in asked.authorization
        else None
    )


@mutant("auth.bearer-token")
def a_bearer_token_is_refused(asked, _):
    return FORBIDDEN if asked.operation == "list" and asked.authorization.startswith("Bearer") else None


@mutant("error.token")
def a_wrong_token_is_403(_, answered):
    return answered.but(status=403) if answered.status == 401 else None


@mutant("error.token")
def a_wrong_token_reads_a_generation(asked, answered):
    if asked.operation == "get" and answered.status == 401:
        return answered.but({"message": "nothing to see"}, status=200)
    return None


# Create


@on(
    "create",
    "create.request",
    also=["models.qwen-image", "models.mmaudio", "create.config-by-model", "models.image-size-words"],
)
def a_page_model_is_answered_without_an_id(asked, answered):
    if asked.model not in ("Qwen/Qwen-Image", "hkchengrex/MMAudio"):
        return None
    return {"generation_id": answered.document["id"]}


@on(
    "create",
    "models.qwen-image",
    also=["create.request", "create.config-by-model", "models.image-size-words"],
)
def qwen_image_is_refused(asked, _):
    return refused() if asked.model == "Qwen/Qwen-Image" else None


@on(
    "create",
    "models.image-size-words",
    also=["create.request", "create.config-by-model", "models.qwen-image"],
)
def image_sizes_are_refused(asked, _):
    return refused() if "image_size" in asked.config else None


@on("create", "models.mmaudio", also=["create.request", "create.config-by-model"])
def mmaudio_is_refused(asked, _):
    return refused() if asked.model == "hkchengrex/MMAudio" else None


@on("create", "create.config-by-model", also=["create.request", "models.mmaudio"])
def every_config_needs_an_output_format(asked, _):
    return refused() if asked.model == "hkchengrex/MMAudio" and "output_format" not in asked.config else None


@on("create", "models.speech-02-hd")
def speech_is_refused(asked, _):
    return refused() if asked.model == "minimax/speech-02-hd" else None


@on("create", "models.nano-banana", also=["create.sync-mode"])
def nano_banana_is_refused(asked, _):
    return refused() if asked.model.startswith("google/nano-banana") else None


@on("create", "create.pending", also=["status.on-the-way"])
def create_answers_queued(_, answered):
    return {**answered.document, "status": "queued"} if answered.document["status"] == "pending" else None


@on("create", "create.updated-at")
def create_answers_an_older_time(_, answered):
    return (
        {**answered.document, "updated_at": "2000-01-01 00:00:00"}
        if not answered.document["result"]
        else None
    )


@on("create", "create.empty-result", also=["generation.empty-until-completed"])
def create_answers_a_result_with_no_data(_, answered):
    return {**answered.document, "result": {"data": []}} if not answered.document["result"] else None


@on("create", "create.new-id")
def a_create_answers_the_id_of_the_one_before(asked, answered):
    before = asked.memory.get("before")
    asked.memory["before"] = answered.document["id"]
    return {**answered.document, "id": before} if asked.model == "google/veo3.1-fast" else None


@on("create", "create.sync-mode")
def sync_mode_answers_at_once(asked, answered):
    if not asked.config.get("sync_mode"):
        return None
    document = answered.document
    return {**document, "status": "pending", "updated_at": document["created_at"], "result": {}}


@on("create", "create.rate-limit")
def a_create_is_limited(asked, answered):
    if "files.example" not in str(asked.config):
        return None
    return answered.but(
        {"message": "Slow down"}, status=429, headers={**answered.headers, "retry-after": "2"}
    )


@on("create", "success.status-200")
def create_is_201(_, answered):
    return answered.but(status=201)


# A generation's fields


@generations("generation.id", rewrite=str.lower)
def ids_are_in_capitals(generation):
    return {**generation, "id": generation["id"].upper()}


@generations("generation.user-id", also=["result.url-form"])
def user_ids_are_numbers(generation):
    return {**generation, "user_id": 7}


@generations("generation.user-id-form", also=["result.url-form"])
def user_ids_are_short(generation):
    return {**generation, "user_id": "4f2a"}


@generations("generation.status")
def statuses_are_numbers(generation):
    return {**generation, "status": 3} if generation["status"] == "initializing" else None


@generations("generation.timestamps")
def times_name_a_zone(generation):
    return {**generation, **{name: generation[name] + "Z" for name in ("created_at", "updated_at")}}


@generations("generation.not-deleted")
def is_deleted_is_a_number(generation):
    return {**generation, "is_deleted": 0}


@generations("generation.result-object")
def an_empty_result_is_null(generation):
    return {**generation, "result": None} if generation["status"] == "processing" else None


@generations("generation.empty-until-completed", operations=("get", "list"))
def a_pending_job_shows_progress_in_its_result(generation):
    return {**generation, "result": {"progress": 0}} if generation["status"] == "pending" else None


@generations("generation.logs")
def logs_are_missing(generation):
    return {
        name: value
        for name, value in generation.items()
        if name != "logs" or generation["status"] == "failed"
    }


@generations("generation.logs")
def logs_tell_what_goes_on(generation):
    return {**generation, "logs": [{"text": "loading"}]} if generation["status"] == "initializing" else None


@generations("generation.durations")
def durations_are_fractions(generation):
    return {**generation, "pending_duration": 6.5} if generation["status"] == "completed" else None


@generations("fields.come-and-go")
def a_generation_has_a_model_id(generation):
    return {**generation, "model_id": "qwen"}


@generations("generation.constant", operations=("get", "list"))
def created_at_is_a_second_earlier_than_create_said(generation):
    second = int(generation["created_at"][-2:]) - 1
    return {**generation, "created_at": f"{generation['created_at'][:-2]}{second:02}"}


@on("get", "generation.updated-at-forward")
def updated_at_goes_back(asked, answered):
    if answered.document["status"] != "processing":
        return None
    asked.memory["asked"] = asked.memory.get("asked", 0) + 1
    return {**answered.document, "updated_at": f"2025-09-18 08:00:{59 - asked.memory['asked'] % 2}"}


@mutant("message.json")
def answers_are_called_text(asked, answered):
    if answered.document is None:
        return None
    return answered.but(headers={**answered.headers, "content-type": "text/plain"})


@mutant("message.json")
def a_refusal_is_a_page(asked, answered):
    if answered.status != 405:
        return None
    return Answered(405, None, b"<h1>Method not allowed</h1>", {"content-type": "text/html"})
