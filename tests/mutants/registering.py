"""How a fake that breaks one claim is registered."""

from mutants.wsgi import Answered, Mutant

MUTANTS: list[Mutant] = []

FORBIDDEN = Answered(401, {"message": "Invalid API key"}, headers={"content-type": "application/json"})


def mutant(claim, *, also=(), **options):
    """Register ``change(asked, answered)`` as what breaks a claim."""

    def register(change):
        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), change, **options))
        return change

    return register


def on(operation, claim, *, also=()):
    """Register a change of an operation's successful answers: of their JSON, or of the whole answer."""

    def register(change):
        def changed(asked, answered):
            if asked.operation == operation and answered.is_success:
                made = change(asked, answered)
                return answered.but(made) if isinstance(made, dict) else made
            return None

        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), changed))
        return change

    return register


def generations(claim, *, also=(), operations=("create", "get", "list"), **options):
    """Register a change of every generation, wherever it is answered."""

    def register(change):
        def changed(asked, answered):
            document = answered.document
            if asked.operation not in operations or not isinstance(document, dict):
                return None
            if "generation_list" in document:
                listed = [change(entry) or entry for entry in document["generation_list"]]
                return answered.but({**document, "generation_list": listed})
            made = change(document) if "id" in document else None
            return answered.but(made) if made else None

        MUTANTS.append(Mutant(change.__name__, claim, frozenset(also), changed, **options))
        return change

    return register


def results(claim, *, also=(), **options):
    """Register a change of every result of every generation."""

    def register(change):
        def changed(generation):
            data = generation["result"].get("data")
            return {**generation, "result": {"data": [change(entry) for entry in data]}} if data else None

        changed.__name__ = change.__name__
        generations(claim, also=also, **options)(changed)
        return change

    return register


def refused(status=400):
    return Answered(status, {"message": "refused"}, headers={"content-type": "application/json"})
