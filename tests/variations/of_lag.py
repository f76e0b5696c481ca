"""Replicas that are behind: what is true a moment later."""

from netmind_contracts.runs.known import UNKNOWN_ID
from variations.proxy import each_generation, listed, read, response, variation

NOT_FOUND = {"message": "Generation not found"}


def remember(request, result, event="create"):
    """Remember when each generation was created or deleted."""
    if request.operation == event and result.status < 300:
        name = read(result.content)["id"] if event == "create" else request.id
        request.memory.setdefault(name, request.now)
    return result


def since(request, name):
    return request.now - request.memory.get(name, -1000)


@variation(says="got a response that was not up to date (404)")
def a_generation_is_404_for_a_second(request, proceed):
    if request.operation == "get" and since(request, request.id) < 1:
        return response(404, NOT_FOUND)
    return remember(request, proceed())


@variation(says="got a response that was not up to date (404)")
def a_generation_cannot_be_deleted_for_a_second(request, proceed):
    if request.operation == "delete" and since(request, request.id) < 1:
        return response(404, NOT_FOUND)
    return remember(request, proceed())


@variation(says="got a response that was not up to date (200)")
def a_list_lacks_new_generations_for_two_seconds(request, proceed):
    result = remember(request, proceed())
    if request.operation != "list" or result.status != 200:
        return result
    return listed(result, lambda entries: [entry for entry in entries if since(request, entry["id"]) > 2])


@variation(says="got a response that was not up to date (200)")
def a_list_shows_a_completed_generation_as_before_for_two_seconds(request, proceed):
    result = proceed()
    if request.operation == "get" and result.status == 200:
        document = read(result.content)
        request.memory.setdefault((document["id"], document["status"]), request.now)
        if document["status"] != "completed":
            request.memory["before", document["id"]] = document

    def older(entry):
        key = (entry["id"], "completed")
        new = entry["status"] == "completed" and request.now - request.memory.get(key, request.now) < 2
        return request.memory.get(("before", entry["id"]), entry) if new else entry

    return each_generation(result, older) if request.operation == "list" else result


@variation(says="got a response that was not up to date (404)")
def a_file_is_404_for_a_second(request, proceed):
    if request.operation == "file" and request.now - request.memory.setdefault(request.url, request.now) < 1:
        return response(404)
    return proceed()


@variation(says="got a response that was not up to date (403)")
def a_file_is_403_for_a_second_as_storages_do_without_the_right_to_list(request, proceed):
    if request.operation == "file" and request.now - request.memory.setdefault(request.url, request.now) < 1:
        return response(403, content=b"<Error><Code>AccessDenied</Code></Error>")
    return proceed()


@variation(says="got a response that was not up to date (200)")
def a_deleted_generation_can_be_read_for_a_second(request, proceed):
    result = remember(request, proceed(), "delete")
    if request.operation == "get" and result.status == 200:
        request.memory["last", request.id] = result
    if request.operation == "get" and since(request, request.id) < 1:
        return request.memory["last", request.id]
    return result


@variation(says="got a response that was not up to date (200)")
def a_deleted_generation_is_listed_for_two_seconds(request, proceed):
    result = remember(request, proceed(), "delete")
    if request.operation == "get" and result.status == 200:
        request.memory["last", request.id] = read(result.content)
    late = [
        document
        for key, document in request.memory.items()
        if isinstance(key, tuple) and since(request, key[1]) < 2
    ]
    return listed(result, lambda entries: late + entries) if request.operation == "list" and late else result


@variation()
def a_completed_generation_has_no_result_for_two_seconds(request, proceed):
    result = proceed()
    if request.operation not in ("get", "list"):
        return result

    def early(entry):
        first = request.memory.setdefault(entry["id"], request.now) if entry["result"] else request.now
        return {**entry, "result": {}} if entry["result"] and request.now - first < 2 else entry

    return each_generation(result, early)


@variation()
def a_replica_shows_an_earlier_status(request, proceed):
    result = proceed()
    if request.operation != "get" or result.status != 200 or request.id == UNKNOWN_ID:
        return result
    request.memory.setdefault(request.id, []).append(result)
    before = request.memory[request.id]
    behind = len(before) > 2 and request.nth % 4 == 0 and read(result.content)["status"] != "completed"
    return before[-3] if behind else result


@variation(says="got a response that was not up to date (200)")
def every_second_list_is_of_a_replica_that_is_empty(request, proceed):
    if request.operation == "list":
        request.memory["lists"] = request.memory.get("lists", 0) + 1
        if request.memory["lists"] % 2 == 0 and "created" in request.memory:
            return response(200, {"generation_list": []})
    if request.operation == "create":
        request.memory["created"] = True
    return proceed()
