"""Mutants for claims about the lifecycle of a job, results, lists and errors."""

from mutants.registering import FORBIDDEN, MUTANTS, generations, mutant, on, refused, results
from mutants.wsgi import Mutant, MutantResponse
from netmind_contracts.runs.known import UNKNOWN_MODEL

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
def a_status_goes_back(request, response):
    request.memory[request.path] = request.memory.get(request.path, 0) + 1
    if response.document["status"] == "processing" and request.memory[request.path] % 2:
        return {**response.document, "status": "initializing"}
    return None


@on("get", "get.completed")
def get_returns_another_job(request, response):
    first = request.memory.setdefault("first", response.document["id"])
    return {**response.document, "id": first} if response.document["status"] == "processing" else None


@generations("get.updated-at-moved")
def updated_at_stays(generation):
    return {**generation, "updated_at": generation["created_at"]}


MUTANTS.append(Mutant("an_image_takes_2_seconds", "timing.durations", duration=2))


# Failure


@generations("failed.http-200")
def a_failed_job_does_not_say_why(generation):
    return {**generation, "logs": []} if generation["status"] == "failed" else None


@mutant("failed.http-200", also=["get.completed"])
def a_failed_job_is_returned_with_400(request, response):
    failed = request.operation == "get" and response.is_success and response.document["status"] == "failed"
    return response.but(status=400) if failed else None


@generations("failed.worker-text")
def a_failed_job_has_a_plain_text_log(generation):
    return {**generation, "logs": [{"text": "cannot fetch"}]} if generation["status"] == "failed" else None


@mutant("failed.worker-input")
def input_is_checked_by_create(request, response):
    return refused(400) if "invalid" in str(request.config.get("audio_url")) else None


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
def urls_have_a_suffix(entry):
    return {**entry, "url": entry["url"] + "/download"} if "url" in entry else entry


@on("file", "result.download")
def files_are_empty(_, response):
    return response.but(content=b"")


@on("file", "result.download")
def files_are_not_there(*_):
    return MutantResponse(404, None, b"gone")


@on("file", "result.no-token", also=["result.download"])
def files_need_an_api_key(request, _):
    return None if request.authorization else FORBIDDEN


@on("file", "result.kind", also=["result.output-format"])
def images_are_audio(request, response):
    if not response.content.startswith(b"\x89PNG"):
        return None
    return response.but(content=b"RIFF\x24\0\0\0WAVEfmt " + response.content)


@on("file", "result.output-format")
def images_are_jpegs(request, response):
    if not response.content.startswith(b"\x89PNG"):
        return None
    return response.but(content=b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + response.content)


@on("file", "models.video")
def videos_are_webm(_, response):
    if b"ftyp" not in response.content[:16]:
        return None
    return response.but(content=b"\x1aE\xdf\xa3" + bytes(20) + b"webm" + bytes(20))


@generations("result.num-images")
def only_one_image_is_returned(generation):
    data = generation["result"].get("data", [])
    return {**generation, "result": {"data": data[:1]}} if len(data) > 1 else None


@mutant("result.constant")
def results_have_an_expiry_at_first(request, response):
    document = response.document if request.operation in ("create", "get") and response.is_success else {}
    data = document.get("result", {}).get("data")
    if not data or document["id"] in request.memory:
        return None
    request.memory[document["id"]] = True
    return response.but({**document, "result": {"data": [{**entry, "expires_in": 60} for entry in data]}})


@generations("result.empty-for-a-moment", also=["result.data"])
def an_empty_result_stays_empty(generation):
    data = generation["result"].get("data", [{}])
    return {**generation, "result": {}} if "text" in data[0] else None


@results("result.text")
def a_transcription_is_a_list(entry):
    return {"text": [entry["text"]]} if "text" in entry else entry


# The list


@on("list", "list.generation-list")
def a_list_is_called_data(_, response):
    return {"data": response.document["generation_list"]}


@on("list", "list.not-paged")
def a_list_has_a_next_page(_, response):
    return {**response.document, "next_page": None}


@on("list", "list.not-paged")
def a_list_links_to_its_next_page(_, response):
    return response.but(headers={**response.headers, "link": '<?page=2>; rel="next"'})


@on("list", "list.has-jobs")
def a_list_has_two_entries(_, response):
    return {"generation_list": response.document["generation_list"][:2]}


@on("list", "list.once")
def a_list_has_its_first_twice(_, response):
    return {
        "generation_list": response.document["generation_list"][:1] + response.document["generation_list"]
    }


@on("list", "list.order")
def a_list_is_oldest_first(_, response):
    return {"generation_list": response.document["generation_list"][::-1]}


@on("list", "list.agrees")
def a_list_has_no_results(_, response):
    return {"generation_list": [{**entry, "result": {}} for entry in response.document["generation_list"]]}


# Delete


@on("delete", "delete.message")
def delete_returns_ok(*_):
    return {"message": "OK"}


@mutant("delete.gone")
def a_second_delete_succeeds(request, response):
    if request.operation != "delete":
        return None
    request.memory.setdefault("deleted", set())
    if response.is_success:
        request.memory["deleted"].add(request.path)
    return (
        response.but({"message": "Generation deleted"}, status=200)
        if request.path in request.memory["deleted"]
        else None
    )


@mutant("delete.message", also=["delete.gone"])
def a_deleted_job_can_still_be_read(request, response):
    if request.operation == "get" and response.is_success:
        request.memory[request.path] = response
    deleted = request.operation == "get" and response.status == 404
    return request.memory.get(request.path) if deleted else None


def too_soon(request):
    request.memory["deletes"] = request.memory.get("deletes", 0) + (request.operation == "delete")
    # The first delete has an unknown id; the next two are for the job that is deleted while it is pending.
    return refused(409) if request.operation == "delete" and request.memory["deletes"] in (2, 3) else None


MUTANTS.append(Mutant("a_pending_job_cannot_be_deleted", "delete.pending", before=too_soon))


# Refusals


@mutant("unknown-id.404")
def an_unknown_id_has_another_message(request, response):
    return response.but({"message": "No such generation"}) if response.status == 404 else None


@mutant("error.unknown-model")
def an_unknown_model_is_404(request, response):
    return refused(404) if request.model == UNKNOWN_MODEL else None


@mutant("error.model-unavailable")
def an_unavailable_model_is_503(_, response):
    return response.but(status=503) if response.status == 500 else None


@mutant("error.unknown-route")
def an_unknown_route_is_404(_, response):
    return response.but({"message": "Not found"}, status=404) if response.status == 403 else None


@mutant("error.platform", also=["unknown-id.404"])
def a_refusal_has_an_error_alone(_, response):
    return response.but({"error": "no"}) if response.status == 404 else None


@mutant("error.invalid-body")
def an_invalid_body_is_400(_, response):
    return response.but({"message": "no"}, status=400) if response.status == 422 else None


@mutant("error.content-type")
def another_content_type_is_422(_, response):
    return response.but(status=400) if response.status == 415 else None


@mutant("error.too-large")
def a_large_body_is_400(_, response):
    return response.but(status=400) if response.status == 413 else None


@mutant("error.wrong-method")
def a_wrong_method_is_404(_, response):
    return response.but({"message": "Not found"}, status=404) if response.status == 405 else None
