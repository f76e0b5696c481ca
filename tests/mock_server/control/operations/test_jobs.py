"""Tests of the operations on jobs: list, complete, fail, delete, expire links."""

from support import AUTHORIZED

OTHER = {"Authorization": "another-token"}


def urls(api, job):
    response = api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json
    return [one["url"].removeprefix("http://localhost") for one in response["result"]["data"]]


def test_expired_links_are_refused_and_get_returns_new_ones(api, post, create, clock):
    job = create(api)
    clock.advance(2)
    [old] = urls(api, job)
    assert api.get(old).status_code == 200
    links = [old]
    for _ in range(2):  # twice in the same second
        post(f"jobs/{job['id']}/expire-links")
        [new] = urls(api, job)
        assert [api.get(link).status_code for link in (*links, new)] == [403] * len(links) + [200]
        links.append(new)


def test_a_job_is_deleted_by_hand(api, create, get):
    job = create(api)
    response = api.delete(f"/__mock/jobs/{job['id']}", headers=AUTHORIZED)
    assert (response.status_code, response.json["deleted_at"] is not None) == (200, True)
    assert api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).status_code == 404
    assert api.delete(f"/__mock/jobs/{job['id']}", headers=OTHER).status_code == 404
    assert [one["deleted_at"] is not None for one in get("jobs")["jobs"]] == [True]


def test_a_job_is_completed_by_hand(api, post, create, status_of):
    post("next-job", {"scenario": "by_hand"})
    job = create(api)
    assert post(f"jobs/{job['id']}/complete")["status"] == "completed"
    assert status_of(job) == "completed"
    assert "completed already" in post(f"jobs/{job['id']}/fail", status=422)["message"]


def test_a_job_is_failed_by_hand_with_a_reason(api, post, create):
    job = create(api)
    post(f"jobs/{job['id']}/fail", {"reason": "because"})
    failed = api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json
    assert (failed["status"], failed["logs"]) == ("failed", [{"text": "because"}])


def test_a_job_of_another_account_is_not_found(api, post, create):
    job = create(api)
    assert "no such job" in post(f"jobs/{job['id']}/complete", headers=OTHER, status=404)["message"]


def test_jobs_are_listed_newest_first_with_their_scenario(api, post, get, create):
    create(api)
    post("next-job", {"scenario": "stuck"})
    create(api, headers=AUTHORIZED)
    create(api, headers=OTHER)
    assert [job["scenario"] for job in get("jobs")["jobs"]] == ["stuck", ""]
    assert len(get("jobs", headers={})["jobs"]) == 3


def test_a_job_with_a_failure_scenario_can_be_completed_by_hand(api, post, create):
    post("next-job", {"scenario": "failed", "after": 600})
    job = create(api)
    post(f"jobs/{job['id']}/complete")
    assert len(api.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json["result"]["data"]) == 1
