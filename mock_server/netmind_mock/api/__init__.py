"""What users of NetMind's API see: the middleware, the operations, the result files, and the JSON of both."""
