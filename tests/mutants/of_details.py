"""Mutants that break a claim in a detail: nearly JSON, one operation only, a date that does not exist."""

import json

from mutants.registering import FORBIDDEN, MUTANTS, generations, mutant, on, refused
from mutants.wsgi import Mutant, MutantResponse
from netmind_contracts.runs.known import UNKNOWN_ID, UNKNOWN_MODEL

JSON = {"content-type": "application/json"}

# Nearly JSON


def raw(response, content):
    return MutantResponse(response.status, None, content, response.headers)


def text_of(response):
    return json.dumps(response.document)


def while_processing(claim, **options):
    """Register a change to the content of get while a job is processing."""

    def register(change):
        def changed(request, response):
            return change(response) if response.document["status"] == "processing" else None

        changed.__name__ = change.__name__
        return on("get", claim, **options)(changed)

    return register


@while_processing("get.completed", also=["message.json"])
def get_begins_with_a_byte_order_mark(response):
    return raw(response, b"\xef\xbb\xbf" + text_of(response).encode())


@while_processing("get.completed", also=["message.json"])
def get_is_utf_16(response):
    return raw(response, text_of(response).encode("utf-16"))


@while_processing("get.completed", also=["message.json"])
def get_has_not_a_number(response):
    return raw(response, text_of(response).replace("{", '{"progress": NaN, ', 1).encode())


@while_processing("get.completed", also=["message.json"])
def get_has_infinity(response):
    return raw(response, text_of(response).replace("{", '{"left": Infinity, ', 1).encode())


@while_processing("get.completed", also=["message.json"])
def get_repeats_a_key(response):
    return raw(response, text_of(response).replace("{", '{"status": "pending", ', 1).encode())


@while_processing("get.completed", also=["message.json"])
def get_is_truncated(response):
    return raw(response, text_of(response)[:-1].encode())


@while_processing("get.completed", also=["message.json"])
def get_is_latin_1(response):
    return raw(response, text_of(response).replace("processing", "pr\xf6cessing").encode("latin-1"))


@while_processing("get.completed", also=["message.json"])
def get_is_empty(response):
    return raw(response, b"")


@on("delete", "delete.message", also=["message.json"])
def delete_begins_with_a_byte_order_mark(_, response):
    return raw(response, b"\xef\xbb\xbf" + text_of(response).encode())


@on("delete", "delete.message", also=["message.json", "success.status-200"])
def delete_is_204(*_):
    return MutantResponse(204, None)


@on("delete", "delete.message")
def delete_ends_with_a_period(*_):
    return {"message": "Generation deleted."}


@on("delete", "delete.message", also=["success.status-200"])
def delete_is_202_accepted(*_):
    return MutantResponse(202, {"message": "Accepted"}, headers=JSON)


# The API key


def refuses(form, operation):
    def before(request):
        bearer = request.authorization.startswith("Bearer")
        own = request.operation == operation and UNKNOWN_ID not in request.path
        return FORBIDDEN if own and bearer == (form == "bearer") and request.authorization else None

    MUTANTS.append(Mutant(f"{operation}_refuses_a_{form}_key", f"auth.{form}-token", before=before))


for refusing in ("create", "get", "delete"):
    refuses("bare", refusing)
refuses("bearer", "delete")


@mutant("error.token")
def a_missing_key_lists_nothing(request, response):
    return (
        response.but({"generation_list": []}, status=200)
        if not request.authorization and response.status == 401
        else None
    )


# Deleted or not


@on("list", "generation.not-deleted", also=["list.agrees"])
def a_list_says_that_all_are_deleted(_, response):
    entries = [{**entry, "is_deleted": True} for entry in response.document["generation_list"]]
    return {"generation_list": entries}


@on("list", "generation.not-deleted", also=["list.agrees"])
def a_list_has_the_time_of_a_delete(_, response):
    entries = [
        {**entry, "deleted_at": "2025-09-18 09:00:00"} for entry in response.document["generation_list"]
    ]
    return {"generation_list": entries}


@on("list", "generation.not-deleted", also=["list.agrees"])
def a_list_does_not_say_what_is_deleted(_, response):
    return {
        "generation_list": [
            {name: value for name, value in entry.items() if name != "is_deleted"}
            for entry in response.document["generation_list"]
        ]
    }


@on("create", "generation.not-deleted")
def create_has_an_empty_deleted_at(_, response):
    return {**response.document, "deleted_at": ""}


@mutant("delete.message", also=["delete.gone"])
def a_deleted_job_is_marked_with_a_string(request, response):
    if request.operation == "get" and response.is_success:
        marked = {**response.document, "is_deleted": "true", "deleted_at": "2025-09-18 12:00:00"}
        request.memory[request.path] = response.but(marked)
    return request.memory.get(request.path) if request.operation == "get" and response.status == 404 else None


@mutant("delete.gone")
def a_deleted_job_is_410(request, response):
    own = request.operation == "get" and response.status == 404 and UNKNOWN_ID not in request.path
    return response.but(status=410) if own else None


# Times, ids and other fields


@generations("generation.timestamps")
def a_created_at_does_not_exist(generation):
    new = generation["updated_at"] == generation["created_at"]
    changes = dict.fromkeys(("created_at", "updated_at") if new else ("created_at",), "2025-02-30 10:00:00")
    return {**generation, **changes}


@generations("generation.timestamps")
def a_completed_job_is_of_the_31st_of_september(generation):
    return (
        {**generation, "updated_at": "2025-09-31 10:00:00"} if generation["status"] == "completed" else None
    )


@generations("generation.timestamps")
def times_have_a_t(generation):
    return {
        **generation,
        **{name: generation[name].replace(" ", "T") for name in ("created_at", "updated_at")},
    }


@generations("generation.timestamps")
def times_have_milliseconds(generation):
    return {**generation, **{name: generation[name] + ".000" for name in ("created_at", "updated_at")}}


@generations("generation.timestamps")
def times_are_numbers(generation):
    return {
        **generation,
        "created_at": 1758186860,
        "updated_at": 1758186861 if generation["result"] else 1758186860,
    }


@generations("generation.user-id", also=["generation.user-id-form", "result.url-form"])
def user_ids_are_empty(generation):
    return {**generation, "user_id": ""}


@generations("generation.status")
def a_status_is_null(generation):
    return {**generation, "status": None} if generation["status"] == "initializing" else None


@generations("generation.result-object")
def an_empty_result_is_a_list(generation):
    return {**generation, "result": []} if generation["status"] == "processing" else None


@generations("generation.logs")
def logs_are_strings(generation):
    return {**generation, "logs": ["loading"]} if generation["status"] == "initializing" else None


@generations("generation.durations")
def durations_are_negative(generation):
    return {**generation, "pending_duration": -1} if generation["status"] == "completed" else None


@generations("generation.durations")
def durations_are_missing(generation):
    return {name: value for name, value in generation.items() if not name.endswith("_duration")}


@on("get", "generation.constant")
def a_user_id_changes(request, response):
    processing = response.document["status"] == "processing"
    return {**response.document, "user_id": "0" * 32} if processing else None


@generations("fields.come-and-go")
def a_generation_has_a_field_that_is_null(generation):
    return {**generation, "webhook": None}


@generations(
    "status.never-seen",
    also=["status.at-the-end", "failed.http-200", "failed.worker-input", "generation.logs"],
)
def a_failed_job_ends_as_error(generation):
    return {**generation, "status": "error"} if generation["status"] == "failed" else None


# Create


@on("create", "create.pending", also=["status.forward"])
def create_returns_processing(_, response):
    return {**response.document, "status": "processing"} if response.document["status"] == "pending" else None


@on("create", "create.updated-at", also=["generation.timestamps"])
def create_has_no_updated_at(_, response):
    if response.document["result"]:
        return None
    return {name: value for name, value in response.document.items() if name != "updated_at"}


@on("create", "create.empty-result", also=["generation.result-object", "generation.empty-until-completed"])
def create_returns_null_as_result(_, response):
    return None if response.document["result"] else {**response.document, "result": None}


@mutant("error.unknown-model")
def an_unknown_model_is_not_named(request, _):
    return refused(400) if request.model == UNKNOWN_MODEL else None


@mutant("error.invalid-body", also=["error.platform"])
def an_invalid_body_has_a_text_as_detail(_, response):
    return response.but({"detail": "invalid"}) if response.status == 422 else None
