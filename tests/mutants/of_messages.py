"""Mutants for claims about a single request and its response."""

from mutants.registering import FORBIDDEN, generations, mutant, on, refused
from mutants.wsgi import MutantResponse

# Authorization


@mutant("auth.bare-token")
def a_bare_token_is_refused(request, _):
    return (
        FORBIDDEN
        if request.operation == "list" and request.authorization and " " not in request.authorization
        else None
    )


@mutant("auth.bearer-token")
def a_bearer_token_is_refused(request, _):
    return FORBIDDEN if request.operation == "list" and request.authorization.startswith("Bearer") else None


@mutant("error.token")
def a_wrong_token_is_403(_, response):
    return response.but(status=403) if response.status == 401 else None


@mutant("error.token")
def a_wrong_token_reads_a_generation(request, response):
    if request.operation == "get" and response.status == 401:
        return response.but({"message": "nothing to see"}, status=200)
    return None


# Create


@on(
    "create",
    "create.request",
    also=["models.qwen-image", "models.mmaudio", "create.config-by-model", "models.image-size-words"],
)
def a_documented_model_is_created_without_an_id(request, response):
    if request.model not in ("Qwen/Qwen-Image", "hkchengrex/MMAudio"):
        return None
    return {"generation_id": response.document["id"]}


@on(
    "create",
    "models.qwen-image",
    also=["create.request", "create.config-by-model", "models.image-size-words"],
)
def qwen_image_is_refused(request, _):
    return refused() if request.model == "Qwen/Qwen-Image" else None


@on(
    "create",
    "models.image-size-words",
    also=["create.request", "create.config-by-model", "models.qwen-image"],
)
def image_sizes_are_refused(request, _):
    return refused() if "image_size" in request.config else None


@on("create", "models.mmaudio", also=["create.request", "create.config-by-model"])
def mmaudio_is_refused(request, _):
    return refused() if request.model == "hkchengrex/MMAudio" else None


@on("create", "create.config-by-model", also=["create.request", "models.mmaudio"])
def every_config_needs_an_output_format(request, _):
    return (
        refused() if request.model == "hkchengrex/MMAudio" and "output_format" not in request.config else None
    )


@on("create", "models.speech-02-hd")
def speech_is_refused(request, _):
    return refused() if request.model == "minimax/speech-02-hd" else None


@on("create", "models.nano-banana", also=["create.sync-mode"])
def nano_banana_is_refused(request, _):
    return refused() if request.model.startswith("google/nano-banana") else None


@on("create", "create.pending", also=["status.on-the-way"])
def create_returns_queued(_, response):
    return {**response.document, "status": "queued"} if response.document["status"] == "pending" else None


@on("create", "create.updated-at")
def create_returns_an_older_time(_, response):
    return (
        {**response.document, "updated_at": "2000-01-01 00:00:00"}
        if not response.document["result"]
        else None
    )


@on("create", "create.empty-result", also=["generation.empty-until-completed"])
def create_returns_a_result_with_no_data(_, response):
    return {**response.document, "result": {"data": []}} if not response.document["result"] else None


@on("create", "create.new-id")
def a_create_returns_the_previous_id(request, response):
    before = request.memory.get("before")
    request.memory["before"] = response.document["id"]
    return {**response.document, "id": before} if request.model == "google/veo3.1-fast" else None


@on("create", "create.sync-mode")
def sync_mode_responds_immediately(request, response):
    if not request.config.get("sync_mode"):
        return None
    document = response.document
    return {**document, "status": "pending", "updated_at": document["created_at"], "result": {}}


@on("create", "create.rate-limit")
def a_create_is_limited(request, response):
    if "files.example" not in str(request.config):
        return None
    return response.but(
        {"message": "Slow down"}, status=429, headers={**response.headers, "retry-after": "2"}
    )


@on("create", "success.status-200")
def create_is_201(_, response):
    return response.but(status=201)


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
def logs_show_progress(generation):
    return {**generation, "logs": [{"text": "loading"}]} if generation["status"] == "initializing" else None


@generations("generation.durations")
def durations_are_fractions(generation):
    return {**generation, "pending_duration": 6.5} if generation["status"] == "completed" else None


@generations("fields.come-and-go")
def a_generation_has_a_model_id(generation):
    return {**generation, "model_id": "qwen"}


@generations("generation.constant", operations=("get", "list"))
def created_at_is_a_second_earlier_than_at_create(generation):
    second = int(generation["created_at"][-2:]) - 1
    return {**generation, "created_at": f"{generation['created_at'][:-2]}{second:02}"}


@on("get", "generation.updated-at-forward")
def updated_at_goes_back(request, response):
    if response.document["status"] != "processing":
        return None
    request.memory["polls"] = request.memory.get("polls", 0) + 1
    return {**response.document, "updated_at": f"2025-09-18 08:00:{59 - request.memory['polls'] % 2}"}


@mutant("message.json")
def responses_have_a_text_content_type(request, response):
    if response.document is None:
        return None
    return response.but(headers={**response.headers, "content-type": "text/plain"})


@mutant("message.json")
def a_refusal_is_a_page(request, response):
    if response.status != 405:
        return None
    return MutantResponse(405, None, b"<h1>Method not allowed</h1>", {"content-type": "text/html"})
