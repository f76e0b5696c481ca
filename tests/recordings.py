"""HAR entries of a session: a generation that is created, polled, listed, downloaded and deleted."""

import base64
import io
import json

from PIL import Image

BASE_URL = "https://api.netmind.example"
ID = "6347623b2fce4998b0e842f7e935ccb0"
FILE_URL = "https://files.example/0123456789abcdef0123456789abcdef/inference/file-0123456789abcdef/output_image.png?X-Amz-Signature=0af1b2c3d4"
MODEL = "Qwen/Qwen-Image"


def png():
    with io.BytesIO() as file:
        Image.new("RGB", (64, 64), "teal").save(file, "png")
        return file.getvalue()


def generation(status, **fields):
    done = {
        "file_id": "file-0123456789abcdef",
        "file_name": "output_image.png",
        "file_type": "image",
        "url": FILE_URL,
    }
    return {
        "id": ID,
        "user_id": "0123456789abcdef0123456789abcdef",
        "status": status,
        "result": {"data": [done]} if status == "completed" else {},
        "created_at": "2025-09-18 07:47:40",
        "updated_at": "2025-09-18 07:47:40" if status == "pending" else "2025-09-18 07:48:10",
        "deleted_at": None,
        "is_deleted": False,
        "logs": [],
        **({"pending_duration": 5, "processing_duration": 25} if status == "completed" else {}),
        **fields,
    }


def entry(second, method, url, response, *, status=200, body=None, headers=(), **changes):
    """Return an entry. Its response is a JSON value, or the bytes of a file."""
    if isinstance(response, bytes):
        kind, text = "image/png", {"text": base64.b64encode(response).decode(), "encoding": "base64"}
        size = len(response)
    else:
        kind, text = "application/json", {"text": json.dumps(response)}
        size = len(text["text"])
    url = url if "://" in url else BASE_URL + url
    post = {"postData": {"mimeType": "application/json", "text": json.dumps(body)}} if body else {}
    return {
        "startedDateTime": f"2025-09-18T07:{47 + (40 + second) // 60:02d}:{(40 + second) % 60:02d}.000Z",
        "time": 120.0,
        "request": {"method": method, "url": url, "headers": [named(*one) for one in headers], **post},
        "response": {
            "status": status,
            "headers": [named("Content-Type", kind)],
            "content": {"size": size, "mimeType": kind, **text},
        },
        **changes,
    }


def named(name, value):
    return {"name": name, "value": value}


def session():
    """Return the entries of a session in which every response agrees with the claims."""
    path = f"/v1/generation/{ID}"
    create = {"model": MODEL, "config": {"prompt": "A cup", "num_images": 1, "output_format": "png"}}
    return [
        entry(0, "POST", "/v1/generation", generation("pending"), body=create),
        entry(5, "GET", path, generation("processing")),
        entry(30, "GET", path, generation("completed")),
        entry(31, "GET", FILE_URL, png()),
        entry(33, "GET", "/v1/generation", {"generation_list": [generation("completed")]}),
        entry(35, "DELETE", path, {"message": "Generation deleted"}),
        entry(37, "GET", path, {"message": "Generation not found"}, status=404),
    ]


def har(entries):
    return {"log": {"version": "1.2", "entries": entries}}
