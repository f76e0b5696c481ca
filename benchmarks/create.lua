-- A request with a body for wrk, such as create; its body comes from the environment.
wrk.method = "POST"
wrk.headers["Content-Type"] = wrk.headers["Content-Type"] or "application/json"
wrk.body = os.getenv("BODY")
