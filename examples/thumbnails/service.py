"""A thumbnail service: it generates a picture for a title, and returns a small version of it."""

import io

from client import GenerationError, make_picture
from flask import Flask, Response, jsonify, request
from PIL import Image

SIZE = (320, 180)


def create_app() -> Flask:
    """Create the Flask application."""
    app = Flask(__name__)

    @app.post("/thumbnails")
    def create_thumbnail() -> Response:
        picture = Image.open(io.BytesIO(make_picture(request.get_json()["title"])))
        picture.thumbnail(SIZE)
        file = io.BytesIO()
        picture.save(file, "PNG")
        return Response(file.getvalue(), content_type="image/png")

    @app.errorhandler(GenerationError)
    def handle_generation_error(error: GenerationError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 502

    return app
