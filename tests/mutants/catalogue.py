"""Fakes that each break one claim."""

from mutants.wsgi import Answered, Mutant
from netmind_contracts.runs.known import UNKNOWN_MODEL

MUTANTS: list[Mutant] = []

FORBIDDEN = Answered(401, {"message": "Invalid API key"}, headers={"content-type": "application/json"})


def mutant(claim, *, also=(), **options):
    """Register ``change(asked, answered)`` as what breaks a claim."""

    def register(change):
        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), change, **options))
        return change

    return register


def on(operation, claim, *, also=()):
    """Register a change of an operation's successful answers: of their JSON, or of the whole answer."""

    def register(change):
        def changed(asked, answered):
            if asked.operation == operation and answered.is_success:
                made = change(asked, answered)
                return answered.but(made) if isinstance(made, dict) else made
            return None

        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), changed))
        return change

    return register


def generations(claim, *, also=(), operations=("create", "get", "list"), **options):
    """Register a change of every generation, wherever it is answered."""

    def register(change):
        def changed(asked, answered):
            document = answered.document
            if asked.operation not in operations or not isinstance(document, dict):
                return None
            if "generation_list" in document:
                listed = [change(entry) or entry for entry in document["generation_list"]]
                return answered.but({**document, "generation_list": listed})
            made = change(document) if "id" in document else None
            return answered.but(made) if made else None

        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), changed, **options))
        return change

    return register


def results(claim, *, also=(), **options):
    """Register a change of every result of every generation."""

    def register(change):
        def changed(generation):
            data = generation["result"].get("data")
            return {**generation, "result": {"data": [change(entry) for entry in data]}} if data else None

        changed.__name__ = change.__name__
        generations(claim, also=also, **options)(changed)
        return change

    return register


def refused(status=400):
    return Answered(status, {"message": "refused"}, headers={"content-type": "application/json"})


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


# Statuses


@generations("status.on-the-way")
def a_job_is_queued_on_the_way(generation):
    return {**generation, "status": "queued"} if generation["status"] == "processing" else None


@generations("status.at-the-end", also=["get.completed", "create.sync-mode"])
def a_job_ends_as_done(generation):
    return {**generation, "status": "done"} if generation["status"] == "completed" else None


@generations("status.never-seen", also=["get.completed", "status.at-the-end", "create.sync-mode"])
def a_job_ends_as_success(generation):
    return {**generation, "status": "success"} if generation["status"] == "completed" else None


@on("get", "status.forward")
def a_status_comes_back(asked, answered):
    asked.memory[asked.path] = asked.memory.get(asked.path, 0) + 1
    if answered.document["status"] == "processing" and asked.memory[asked.path] % 2:
        return {**answered.document, "status": "initializing"}
    return None


@on("get", "get.completed")
def get_answers_another_job(asked, answered):
    first = asked.memory.setdefault("first", answered.document["id"])
    return {**answered.document, "id": first} if answered.document["status"] == "processing" else None


@generations("get.updated-at-moved")
def updated_at_stays(generation):
    return {**generation, "updated_at": generation["created_at"]}


MUTANTS.append(Mutant("a_picture_takes_2_seconds", "timing.durations", duration=2))


# Failure


@generations("failed.http-200")
def a_failed_job_does_not_say_why(generation):
    return {**generation, "logs": []} if generation["status"] == "failed" else None


@mutant("failed.http-200", also=["get.completed"])
def a_failed_job_is_answered_with_400(asked, answered):
    failed = asked.operation == "get" and answered.is_success and answered.document["status"] == "failed"
    return answered.but(status=400) if failed else None


@generations("failed.worker-text")
def a_failed_job_says_it_in_words(generation):
    return {**generation, "logs": [{"text": "cannot fetch"}]} if generation["status"] == "failed" else None


@mutant("failed.worker-input")
def input_is_looked_at_by_create(asked, answered):
    return refused(400) if "invalid" in str(asked.config.get("audio_url")) else None


# Results


@generations("result.data", also=["create.sync-mode"])
def results_are_an_object(generation):
    data = generation["result"].get("data", [{}])
    return {**generation, "result": {"data": {"0": data[0]}}} if data[0].get("file_type") == "image" else None


@results("result.file-id", also=["result.file-id-form", "result.url-form"])
def file_ids_have_no_prefix(entry):
    return {**entry, "file_id": entry["file_id"].removeprefix("file-")} if "file_id" in entry else entry


@results("result.file-id-form", also=["result.url-form"])
def file_ids_have_capitals(entry):
    return (
        {**entry, "file_id": entry["file_id"].upper().replace("FILE-", "file-")}
        if "file_id" in entry
        else entry
    )


@results("result.file-name", also=["result.file-name-form", "result.url-form", "result.data"])
def file_names_are_null(entry):
    return {**entry, "file_name": None} if "file_name" in entry else entry


@results("result.file-name-form", also=["result.url-form"])
def file_names_are_the_prompt(entry):
    return {**entry, "file_name": "A cup of coffee.png"} if "file_name" in entry else entry


@results("result.file-type")
def file_types_are_media_types(entry):
    return {**entry, "file_type": "image/png"} if entry.get("file_type") == "image" else entry


@results("result.url-absolute")
def urls_are_relative(entry):
    return {**entry, "url": "/" + entry["url"].split("/", 3)[3]} if "url" in entry else entry


@results("result.url-form", rewrite=lambda path: path.removesuffix("/download"))
def urls_end_otherwise(entry):
    return {**entry, "url": entry["url"] + "/download"} if "url" in entry else entry


@on("file", "result.download")
def files_are_empty(_, answered):
    return answered.but(content=b"")


@on("file", "result.download")
def files_are_not_there(*_):
    return Answered(404, None, b"gone")


@on("file", "result.no-token", also=["result.download"])
def files_want_a_token(asked, _):
    return None if asked.authorization else FORBIDDEN


@on("file", "result.kind", also=["result.output-format"])
def images_are_sounds(asked, answered):
    if not answered.content.startswith(b"\x89PNG"):
        return None
    return answered.but(content=b"RIFF\x24\0\0\0WAVEfmt " + bytes(48))


@on("file", "result.output-format")
def images_are_jpegs(asked, answered):
    if not answered.content.startswith(b"\x89PNG"):
        return None
    return answered.but(content=b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(48))


@on("file", "models.video")
def films_are_webm(_, answered):
    if b"ftyp" not in answered.content[:16]:
        return None
    return answered.but(content=b"\x1aE\xdf\xa3" + bytes(20) + b"webm" + bytes(20))


@generations("result.num-images")
def one_image_is_enough(generation):
    data = generation["result"].get("data", [])
    return {**generation, "result": {"data": data[:1]}} if len(data) > 1 else None


@mutant("result.constant")
def results_tell_at_first_when_they_expire(asked, answered):
    document = answered.document if asked.operation in ("create", "get") and answered.is_success else {}
    data = document.get("result", {}).get("data")
    if not data or document["id"] in asked.memory:
        return None
    asked.memory[document["id"]] = True
    return answered.but({**document, "result": {"data": [{**entry, "expires_in": 60} for entry in data]}})


@generations("result.empty-for-a-moment", also=["result.data"])
def an_empty_result_stays_empty(generation):
    data = generation["result"].get("data", [{}])
    return {**generation, "result": {}} if "text" in data[0] else None


@results("result.text")
def a_transcription_comes_in_segments(entry):
    return {"text": [entry["text"]]} if "text" in entry else entry


# The list


@on("list", "list.generation-list")
def a_list_is_called_data(_, answered):
    return {"data": answered.document["generation_list"]}


@on("list", "list.not-paged")
def a_list_tells_its_next_page(_, answered):
    return {**answered.document, "next_page": None}


@on("list", "list.not-paged")
def a_list_links_to_its_next_page(_, answered):
    return answered.but(headers={**answered.headers, "link": '<?page=2>; rel="next"'})


@on("list", "list.has-jobs")
def a_list_is_two_long(_, answered):
    return {"generation_list": answered.document["generation_list"][:2]}


@on("list", "list.once")
def a_list_has_its_first_twice(_, answered):
    return {
        "generation_list": answered.document["generation_list"][:1] + answered.document["generation_list"]
    }


@on("list", "list.order")
def a_list_is_oldest_first(_, answered):
    return {"generation_list": answered.document["generation_list"][::-1]}


@on("list", "list.agrees")
def a_list_has_no_results(_, answered):
    return {"generation_list": [{**entry, "result": {}} for entry in answered.document["generation_list"]]}


# Delete


@on("delete", "delete.message")
def delete_answers_ok(*_):
    return {"message": "OK"}


@mutant("delete.gone")
def a_second_delete_succeeds(asked, answered):
    if asked.operation != "delete":
        return None
    asked.memory.setdefault("deleted", set())
    if answered.is_success:
        asked.memory["deleted"].add(asked.path)
    return (
        answered.but({"message": "Generation deleted"}, status=200)
        if asked.path in asked.memory["deleted"]
        else None
    )


@mutant("delete.gone")
def a_deleted_job_can_still_be_read(asked, answered):
    if asked.operation == "get" and answered.is_success:
        asked.memory[asked.path] = answered
    deleted = asked.operation == "get" and answered.status == 404
    return asked.memory.get(asked.path) if deleted else None


def too_soon(asked):
    asked.memory["deletes"] = asked.memory.get("deletes", 0) + (asked.operation == "delete")
    # The first is about an unknown id; the next two are about the job that is withdrawn.
    return refused(409) if asked.operation == "delete" and asked.memory["deletes"] in (2, 3) else None


MUTANTS.append(Mutant("a_pending_job_cannot_be_deleted", "delete.pending", before=too_soon))


# Refusals


@mutant("unknown-id.404")
def an_unknown_id_is_said_otherwise(asked, answered):
    return answered.but({"message": "No such generation"}) if answered.status == 404 else None


@mutant("error.unknown-model")
def an_unknown_model_is_404(asked, answered):
    return refused(404) if asked.model == UNKNOWN_MODEL else None


@mutant("error.model-unavailable")
def an_unavailable_model_is_503(_, answered):
    return answered.but(status=503) if answered.status == 500 else None


@mutant("error.unknown-route")
def an_unknown_route_is_404(_, answered):
    return answered.but({"message": "Not found"}, status=404) if answered.status == 403 else None


@mutant("error.platform", also=["unknown-id.404"])
def a_refusal_has_an_error_alone(_, answered):
    return answered.but({"error": "no"}) if answered.status == 404 else None


@mutant("error.invalid-body")
def an_invalid_body_is_400(_, answered):
    return answered.but({"message": "no"}, status=400) if answered.status == 422 else None


@mutant("error.content-type")
def another_content_type_is_422(_, answered):
    return answered.but(status=400) if answered.status == 415 else None


@mutant("error.too-large")
def a_large_body_is_400(_, answered):
    return answered.but(status=400) if answered.status == 413 else None


@mutant("error.wrong-method")
def a_wrong_method_is_404(_, answered):
    return answered.but({"message": "Not found"}, status=404) if answered.status == 405 else None
