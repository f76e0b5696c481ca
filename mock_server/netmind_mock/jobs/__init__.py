"""Jobs as facts: the job, its plan, what is known of models and of the API, and ids. Pure."""
