"""Mutants that break a claim in a detail of result files, lists or refusals."""

from mutants.registering import mutant, on, results
from mutants.wsgi import MutantResponse
from netmind_contracts.runs.known import UNKNOWN_ID

# Results


@results("result.num-images", also=["result.url-form"])
def results_share_a_file_id(entry):
    return {**entry, "file_id": "file-0123456789abcdef"} if entry.get("file_type") == "image" else entry


@on("file", "result.num-images")
def images_have_the_same_content(request, response):
    if not response.content.startswith(b"\x89PNG"):
        return None
    return response.but(content=request.memory.setdefault(response.content[16:24], response.content))


@on("file", "models.image-size-words")
def images_are_upright(_, response):
    head = response.content
    return (
        response.but(content=head[:16] + head[20:24] + head[16:20] + head[24:])
        if head[:4] == b"\x89PNG"
        else None
    )


@on("file", "result.kind", also=["result.num-images"])
def images_are_only_a_header(_, response):
    return response.but(content=response.content[:64]) if response.content[:4] == b"\x89PNG" else None


@on("file", "result.kind")
def files_are_sent_as_text(_, response):
    return response.but(headers={**response.headers, "content-type": "text/plain"})


@on("file", "result.kind")
def images_are_sent_as_video(_, response):
    if response.content[:4] != b"\x89PNG":
        return None
    return response.but(headers={**response.headers, "content-type": "video/mp4"})


@on("file", "result.output-format")
def images_are_sent_as_jpegs(_, response):
    if response.content[:4] != b"\x89PNG":
        return None
    return response.but(headers={**response.headers, "content-type": "image/jpeg"})


@on("file", "result.kind", also=["result.output-format", "result.num-images", "models.video"])
def files_are_pages(_, response):
    return response.but(content=b"<!DOCTYPE html><html><body>Your file is being prepared</body></html>")


@on("file", "result.download")
def files_are_410(*_):
    return MutantResponse(410, None, b"gone")


@results("result.file-type", also=["result.data"])
def file_types_are_missing(entry):
    return {name: value for name, value in entry.items() if name != "file_type"}


@results("result.data")
def urls_are_missing_from_images(entry):
    is_image = entry.get("file_type") == "image"
    return {name: value for name, value in entry.items() if name != "url"} if is_image else entry


# Lists


@on("list", "list.generation-list", also=["list.has-jobs"])
def a_list_has_only_ids(_, response):
    return {"generation_list": [entry["id"] for entry in response.document["generation_list"]]}


@on("list", "list.has-jobs")
def a_list_lacks_completed_jobs(_, response):
    entries = [entry for entry in response.document["generation_list"] if entry["status"] != "completed"]
    return {"generation_list": entries}


@on("list", "list.has-jobs")
def a_list_lacks_jobs_that_have_not_ended(_, response):
    ended = ("completed", "failed")
    entries = [entry for entry in response.document["generation_list"] if entry["status"] in ended]
    return {"generation_list": entries}


@on("list", "list.agrees")
def a_list_has_no_logs(_, response):
    entries = [{**entry, "logs": None} for entry in response.document["generation_list"]]
    return {"generation_list": entries}


@on("list", "list.once", also=["list.order"])
def a_list_has_everything_twice(_, response):
    return {"generation_list": response.document["generation_list"] * 2}


@on("list", "list.order")
def a_list_is_sorted_by_id(_, response):
    return {"generation_list": sorted(response.document["generation_list"], key=lambda entry: entry["id"])}


@on("list", "list.not-paged")
def a_list_counts_all(_, response):
    return {**response.document, "total_count": 17}


@on("list", "message.json")
def a_list_is_sent_as_text(_, response):
    return response.but(headers={**response.headers, "content-type": "text/json"})


# Refusals


@mutant("unknown-id.404")
def an_unknown_id_is_400(request, response):
    return response.but(status=400) if UNKNOWN_ID in request.path else None


@mutant("unknown-id.404")
def an_unknown_id_can_be_deleted(request, response):
    unknown = request.operation == "delete" and UNKNOWN_ID in request.path and response.status == 404
    return response.but({"message": "Generation deleted"}, status=200) if unknown else None


@mutant("error.wrong-method")
def a_wrong_method_is_404_as_fastapi_says_it(_, response):
    return response.but({"detail": "Not Found"}, status=404) if response.status == 405 else None


@mutant("error.content-type")
def another_content_type_is_400(_, response):
    return response.but({"message": "Expected JSON"}, status=400) if response.status == 415 else None
