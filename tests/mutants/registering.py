"""Decorators that register mutants: fakes that each violate one claim."""

from mutants.wsgi import Mutant, MutantResponse

MUTANTS: list[Mutant] = []

FORBIDDEN = MutantResponse(401, {"message": "Invalid API key"}, headers={"content-type": "application/json"})


def mutant(claim, *, also=(), **options):
    """Register ``change(request, response)`` as a mutant that violates a claim."""

    def register(change):
        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), change, **options))
        return change

    return register


def on(operation, claim, *, also=()):
    """Register a change to the successful responses of an operation. It returns a document or a response."""

    def register(change):
        def changed(request, response):
            if request.operation == operation and response.is_success:
                result = change(request, response)
                return response.but(result) if isinstance(result, dict) else result
            return None

        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), changed))
        return change

    return register


def generations(claim, *, also=(), operations=("create", "get", "list"), **options):
    """Register a change to every generation in the responses to these operations."""

    def register(change):
        def changed(request, response):
            document = response.document
            if request.operation not in operations or not isinstance(document, dict):
                return None
            if "generation_list" in document:
                listed = [change(entry) or entry for entry in document["generation_list"]]
                return response.but({**document, "generation_list": listed})
            result = change(document) if "id" in document else None
            return response.but(result) if result else None

        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), changed, **options))
        return change

    return register


def results(claim, *, also=(), **options):
    """Register a change to every result of every generation."""

    def register(change):
        def changed(generation):
            data = generation["result"].get("data")
            return {**generation, "result": {"data": [change(entry) for entry in data]}} if data else None

        changed.__name__ = change.__name__
        generations(claim, also=also, **options)(changed)
        return change

    return register


def refused(status=400):
    return MutantResponse(status, {"message": "refused"}, headers={"content-type": "application/json"})
