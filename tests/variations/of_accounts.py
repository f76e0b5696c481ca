"""Accounts: no balance, no rights, limits, failed jobs, wrong addresses, and jobs of other programs."""

from netmind_contracts.probing.transport import NoResponse
from netmind_contracts.runs.known import UNKNOWN_ID
from variations.proxy import but, each_generation, listed, page, read, response, variation

BALANCE = "balance not enough. Please recharge first."


def creates_are(name, code, status, document, says, **headers):
    def vary(request, proceed):
        return response(status, document, **headers) if request.operation == "create" else proceed()

    vary.__name__ = name
    variation(code=code, says=says)(vary)


creates_are("the_balance_is_not_enough_402", 2, 402, {"message": "Payment required"}, "402")
creates_are("the_balance_is_not_enough_400", 2, 400, {"detail": BALANCE}, "balance not enough")
creates_are("the_key_may_not_create", 2, 403, {"message": "Forbidden"}, "Forbidden")
creates_are("creates_need_another_key", 2, 401, {"message": "Invalid API key"}, "401")
creates_are("creates_are_limited", 2, 429, {"message": "Slow down"}, "429", retry_after="5")
creates_are(
    "creates_are_limited_for_an_hour", 2, 429, {"message": "Slow down"}, "Retry-After", retry_after="3600"
)
creates_are(
    "creates_are_503", 2, 503, {"message": "busy"}, "It is not known whether the documented image was created"
)
creates_are("creates_get_a_page", 2, 502, None, "It is not known whether the documented image was created")
creates_are("no_model_is_available", 2, 500, {"message": "Service is unavailable"}, "Service is unavailable")


@variation(code=2, says="Service is unavailable")
def the_image_model_is_not_available(request, proceed):
    image = request.operation == "create" and "Qwen" in request.body["model"]
    return response(500, {"message": "Service is unavailable"}) if image else proceed()


@variation(code=2, says="Model is temporarily unavailable")
def the_audio_model_is_not_available_with_400(request, proceed):
    audio = request.operation == "create" and "MMAudio" in request.body["model"]
    return response(400, {"message": "Model is temporarily unavailable"}) if audio else proceed()


@variation(code=2, says="429")
def the_first_create_is_limited(request, proceed):
    first = request.operation == "create" and "Qwen" in request.body["model"]
    return response(429, {"message": "Slow down"}, retry_after="2") if first else proceed()


@variation(code=2, says="The list has new generations, which may be of others: ")
def a_create_is_carried_out_but_its_response_is_lost(request, proceed):
    result = proceed()
    if request.operation == "create" and "Qwen" in request.body["model"]:
        raise NoResponse("no complete response within 30 s")
    return result


def image_fails(name, status, text):
    def vary(request, proceed):
        def failed(generation):
            if not generation["result"] or generation["id"] not in request.memory:
                return generation
            return {**generation, "status": status, "result": {}, "logs": [{"text": text}] if text else []}

        result = proceed()
        if request.operation == "create" and result.status == 200 and "Qwen" in request.body["model"]:
            request.memory[read(result.content)["id"]] = True
        return each_generation(result, failed) if request.operation in ("get", "list") else result

    vary.__name__ = name
    variation(code=2, says=text or "without a reason")(vary)


image_fails("the_image_fails", "failed", "CUDA out of memory")
image_fails("the_image_fails_without_a_reason", "failed", "")
image_fails("the_image_is_cancelled_by_the_operator", "cancelled", "drained for maintenance")
image_fails("the_image_ends_as_error", "error", "backend job failed")


@variation(
    code=2, says="The timeout was reached while the documented image was pending.", duration=5000, timeout=100
)
def a_job_takes_longer_than_the_timeout(_, proceed):
    return proceed()


def forbidden(operation):
    def vary(request, proceed):
        own = request.operation == operation and request.id != UNKNOWN_ID
        return response(403, {"message": "Forbidden"}) if own else proceed()

    vary.__name__ = f"the_key_may_not_{operation}"
    variation(code=2, says="Forbidden", timeout=200)(vary)


forbidden("get")
forbidden("delete")


@variation(code=2, says="rejects the API key (403")
def the_key_is_rejected(*_):
    return response(403, {"message": "Invalid API key"})


@variation(code=2, says="returned no list of generations (404")
def the_path_of_the_base_url_is_wrong(*_):
    return response(404, {"message": "Not Found"})


@variation(code=2, says="returned HTML (404)")
def the_path_of_the_base_url_is_wrong_and_gets_a_page(*_):
    return page(404, "Not found")


@variation(code=2, says="returned no list of generations (200")
def another_service_answers_every_path(*_):
    return response(200, {"status": "ok"})


@variation(code=2, says="returned no list of generations (200: hello")
def another_service_answers_with_text(*_):
    return response(200, content=b"hello", content_type="text/plain")


@variation(code=2, says="returned no list of generations (405")
def the_base_url_is_of_a_service_without_get(*_):
    return response(405, {"detail": "Method Not Allowed"})


@variation(code=2, says="redirects to https://login.example/")
def the_base_url_redirects_to_a_login(*_):
    return response(302, location="https://login.example/")


@variation(budget=0)
def a_free_run_creates_nothing(_, proceed):
    return proceed()


# Jobs of the account that are older, or of another program

OLD = {
    "id": "00000000000000000000000000000001",
    "user_id": "f" * 32,
    "status": "completed",
    "created_at": "2025-01-02 03:04:05",
    "updated_at": "2025-01-02 03:05:05",
    "deleted_at": None,
    "is_deleted": False,
}


def account_has(name, *entries, code=0):
    def vary(request, proceed):
        result = proceed()
        if request.operation != "list" or result.status != 200:
            return result
        return listed(result, lambda own: [*own, *entries])

    vary.__name__ = f"the_account_has_{name}"
    variation(code=code)(vary)


account_has("an_older_job_without_a_result", OLD)
account_has("an_older_job_whose_result_is_null", {**OLD, "result": None})
account_has("a_pending_job_with_progress", {**OLD, "status": "pending", "result": {"progress": 0.5}})
account_has("a_job_with_the_status_success", {**OLD, "status": "success", "result": {"data": "text"}})
account_has("a_job_with_a_number_as_id", {**OLD, "id": 17, "result": {}})
account_has("a_job_with_other_times", {**OLD, "created_at": "2025-01-02T03:04:05.123Z", "result": {}})
account_has("a_job_of_the_form_of_2025_01", {"model_id": "qwen", "id": OLD["id"], "payment_type": "balance"})
account_has("a_deleted_job", {**OLD, "is_deleted": True, "deleted_at": "2025-01-03 00:00:00", "result": {}})
account_has("the_same_job_twice", OLD, OLD)
account_has("a_hundred_jobs", *({**OLD, "id": f"{number:032x}", "result": {}} for number in range(100)))


@variation()
def another_program_creates_jobs_during_the_run(request, proceed):
    result = proceed()
    if request.operation != "list" or result.status != 200:
        return result
    number = int(request.now)
    return listed(
        result, lambda own: [{**OLD, "id": f"{number:032x}", "status": "pending", "result": {}}, *own]
    )


# Lists


@variation()
def a_list_is_oldest_first(request, proceed):
    result = proceed()
    return (
        listed(result, lambda own: own[::-1])
        if request.operation == "list" and result.status == 200
        else result
    )


@variation()
def a_list_has_pages_and_the_newest_are_on_the_first(request, proceed):
    result = proceed()
    if request.operation != "list":
        return result
    return but(result, lambda document: {**document, "page": 1, "page_size": 20, "total_count": 21})


@variation(code=2, says="the list has pages (next_page), of which one was requested")
def a_list_has_pages_and_is_oldest_first(request, proceed):
    result = proceed()
    if request.operation != "list" or result.status != 200:
        return result
    return but(
        result, lambda document: {**document, "generation_list": [{**OLD, "result": {}}], "next_page": 2}
    )


@variation()
def a_list_links_to_the_next_page(request, proceed):
    result = proceed()
    if request.operation == "list":
        result.headers["link"] = '<?page=2>; rel="next"'
    return result
