"""A thumbnail service: a title goes in, a small picture comes out."""

import io

from client import GenerationError, make_picture
from flask import Flask, Response, jsonify, request
from PIL import Image

SIZE = (320, 180)


def create_app() -> Flask:
    """The service as a Flask application."""
    app = Flask(__name__)

    @app.post("/thumbnails")
    def thumbnails() -> Response:
        picture = Image.open(io.BytesIO(make_picture(request.get_json()["title"])))
        picture.thumbnail(SIZE)
        file = io.BytesIO()
        picture.save(file, "PNG")
        return Response(file.getvalue(), content_type="image/png")

    @app.errorhandler(GenerationError)
    def no_picture(error: GenerationError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 502

    return app
