"""Forms of messages that the vendor documentation allows, or says nothing about."""

import json
from dataclasses import replace

from probing import BASE_URL, KEY

from netmind_contracts.runs.known import UNKNOWN_ID
from variations.proxy import but, each_generation, read, response, variation

STORAGE = "https://storage.example"


def generations(**options):
    """Register a change of every generation."""

    def register(change):
        def vary(request, proceed):
            result = proceed()
            return (
                each_generation(result, change) if request.operation in ("create", "get", "list") else result
            )

        vary.__name__ = change.__name__
        variation(**options)(vary)
        return change

    return register


@generations()
def generations_have_other_fields(generation):
    return {**generation, "model": "x", "priority": None, "meta_info": {"region": "eu"}}


@generations()
def generations_have_no_logs(generation):
    return {name: value for name, value in generation.items() if name != "logs"}


@generations()
def generations_have_progress(generation):
    return {**generation, "progress": 1.0 if generation["result"] else 0.25}


@generations()
def the_fields_are_in_another_order(generation):
    return dict(reversed(generation.items()))


@generations()
def user_ids_are_short(generation):
    return {**generation, "user_id": "user-17"}


@generations()
def jobs_are_queued(generation):
    return {**generation, "status": "queued"} if generation["status"] == "initializing" else generation


@generations()
def jobs_are_uploading_at_the_end(generation):
    return {**generation, "status": "UPLOADING"} if generation["status"] == "processing" else generation


@generations()
def results_have_other_fields(generation):
    data = [{**entry, "width": 1024, "seed": 7} for entry in generation["result"].get("data", ())]
    return {**generation, "result": {"data": data, "cost": 0.04}} if data else generation


@generations()
def logs_show_progress(generation):
    return (
        {**generation, "logs": [{"text": "loading"}]} if generation["status"] == "processing" else generation
    )


@variation(profile="documented")
def everything_is_as_documented(_, proceed):
    return proceed()


@variation(profile="documented", strict_models=False)
def unknown_models_are_accepted(_, proceed):
    return proceed()


def with_content_type(name, value):
    def vary(request, proceed):
        result = proceed()
        is_json = request.operation != "file" and result.headers.get("content-type") == "application/json"
        return replace(result, headers={**result.headers, "content-type": value}) if is_json else result

    vary.__name__ = name
    variation()(vary)


with_content_type("json_has_a_charset", "application/json; charset=utf-8")
with_content_type("the_media_type_has_capitals", "Application/JSON")
with_content_type("the_media_type_is_text", "text/plain")


@variation()
def responses_have_no_content_type(request, proceed):
    result = proceed()
    return result if request.operation == "file" else replace(result, headers={})


@variation()
def json_is_indented_and_escaped(request, proceed):
    result = proceed()
    document = read(result.content) if request.operation != "file" else None
    if document is None:
        return result
    return replace(result, content=json.dumps(document, indent=4, ensure_ascii=True).encode() + b"\r\n")


@variation()
def create_is_201(request, proceed):
    result = proceed()
    return replace(result, status=201) if request.operation == "create" and result.status == 200 else result


@variation()
def delete_is_202(request, proceed):
    result = proceed()
    return replace(result, status=202) if request.operation == "delete" and result.status == 200 else result


@variation()
def delete_says_more(request, proceed):
    result = proceed()
    if request.operation != "delete" or result.status != 200:
        return result
    return but(result, lambda document: {**document, "id": request.id})


@variation()
def a_deleted_job_is_marked(request, proceed):
    result = proceed()
    if request.operation == "get" and result.status == 200:
        marked = {**read(result.content), "is_deleted": True, "deleted_at": "2025-09-18 12:00:00"}
        request.memory[request.id] = marked
    if request.operation == "get" and result.status == 404 and request.id in request.memory:
        return response(200, request.memory[request.id])
    return result


@variation()
def a_second_delete_succeeds(request, proceed):
    result = proceed()
    if request.operation == "delete" and result.status == 200:
        request.memory[request.id] = result
    return request.memory.get(request.id, result) if request.operation == "delete" else result


@variation()
def a_pending_job_cannot_be_deleted(request, proceed):
    is_own = request.operation == "delete" and request.id != UNKNOWN_ID
    first = request.memory.setdefault("first", request.id) if is_own else None
    if is_own and request.id == first and request.now < request.memory.setdefault("until", request.now + 3):
        return response(409, {"message": "The job is running"})
    return proceed()


# Downloads


@variation()
def a_result_redirects_to_its_storage(request, proceed):
    assert KEY not in str(request.headers) or not request.url.startswith(STORAGE)
    if request.url.startswith(STORAGE):
        return proceed(request.url.replace(STORAGE, BASE_URL).partition("?")[0])
    if request.operation == "file":
        target = request.url.replace(BASE_URL, STORAGE)
        return response(302, location=f"{target}?signature={request.now}")
    return proceed()


@variation()
def a_result_redirects_twice_to_a_relative_url(request, proceed):
    path, _, query = request.url.partition("?")
    if request.operation == "file" and query != "step=2":
        return response(307, location=path.removeprefix(BASE_URL) + ("?step=2" if query else "?step=1"))
    return proceed(path)


@variation()
def urls_are_signed_anew_each_time(request, proceed):
    def signed(entry):
        request.memory["count"] = request.memory.get("count", 0) + 1
        return {**entry, "url": f"{entry['url']}?signature={request.memory['count']}"}

    def change(generation):
        data = [signed(entry) for entry in generation["result"].get("data", ())]
        return {**generation, "result": {"data": data}} if data else generation

    if request.operation == "file":
        return proceed(request.url.partition("?")[0])
    result = proceed()
    return each_generation(result, change) if request.operation in ("get", "list") else result


def files_are_sent_as(name, **headers):
    def vary(request, proceed):
        result = proceed()
        return replace(result, headers=headers) if request.operation == "file" else result

    vary.__name__ = name
    variation()(vary)


files_are_sent_as("files_have_no_content_type")
files_are_sent_as("files_are_octet_streams", **{"content-type": "application/octet-stream"})
files_are_sent_as("files_are_s3_octet_streams", **{"content-type": "binary/octet-stream", "etag": '"a-2"'})


# Refusals


def refuses(name, matches, status, document=None):
    def vary(request, proceed):
        if not matches(request):
            return proceed()
        result = proceed()
        return response(status, document) if result.status >= 400 else result

    vary.__name__ = name
    variation()(vary)


refuses("an_unknown_id_is_400", lambda request: request.id == UNKNOWN_ID, 400, {"message": "bad id"})
refuses("an_unknown_id_is_403", lambda request: request.id == UNKNOWN_ID, 403, {"message": "not yours"})
refuses("an_unknown_route_is_404", lambda request: "no-such" in request.url, 404, {"detail": "Not Found"})
refuses("a_wrong_method_is_404", lambda request: request.method == "PUT", 404, {"detail": "Not Found"})
refuses("an_invalid_body_is_400", lambda request: request.operation == "invalid", 400, {"error": "bad"})
refuses(
    "an_unknown_model_is_404", lambda request: request.operation == "create", 404, {"message": "no model"}
)
refuses(
    "refusals_have_an_error_object",
    lambda request: request.operation == "other",
    403,
    {"error": {"message": "Invalid api token"}},
)


@variation()
def a_large_body_resets_the_connection(request, proceed):
    if request.operation == "invalid" and request.body == {} and request.nth > 0:
        return response(413, content=b"<html>Request Entity Too Large</html>", content_type="text/html")
    return proceed()
