"""The examples of the vendor documentation run unchanged except for the host and the API key."""

import json
import subprocess
import sys

import pytest
from support import running_fake

pytestmark = pytest.mark.slow

HOST, TOKEN, ID = "https://api.netmind.ai", "{{API_TOKEN}}", "{{GENERATION_ID}}"

CURL = {
    "create": """\
curl -X POST 'https://api.netmind.ai/v1/generation' \\
--header 'Authorization: {{API_TOKEN}}' \\
--header 'Content-Type: application/json' \\
--data-raw '{
    "model": "Qwen/Qwen-Image",
    "config": {
        "prompt": "Generate a cup of coffee",
        "image_size": "landscape_4_3",
        "num_inference_steps": 30,
        "guidance_scale": 2.5,
        "num_images": 1,
        "enable_safety_checker": true,
        "output_format": "png",
        "acceleration": "none"
    }
}'
""",
    "get": """\
curl -X GET 'https://api.netmind.ai/v1/generation/{{GENERATION_ID}}' \\
--header 'Authorization: {{API_TOKEN}}'
""",
    "list": """\
curl -X GET 'https://api.netmind.ai/v1/generation' \\
--header 'Authorization: {{API_TOKEN}}'
""",
    "delete": """\
curl -X DELETE 'https://api.netmind.ai/v1/generation/{{GENERATION_ID}}' \\
--header 'Authorization: {{API_TOKEN}}'
""",
}

PYTHON = {
    "create": """\
import requests
import json

url = "https://api.netmind.ai/v1/generation"

payload = json.dumps({
   "model": "hkchengrex/MMAudio",
   "config": {
      "prompt": "The summer wind blows over the willow branches.",
      "duration": 100
   }
})
headers = {
   'Authorization': 'Bearer {{API_TOKEN}}',
   'Content-Type': 'application/json'
}

response = requests.request("POST", url, headers=headers, data=payload)

print(response.text)
""",
    **{
        name: f'''\
import requests

url = "https://api.netmind.ai/v1/generation{path}"
headers = {{
   'Authorization': 'Bearer {{{{API_TOKEN}}}}'
}}

response = requests.request("{method}", url, headers=headers)

print(response.text)
'''
        for name, method, path in [
            ("get", "GET", "/{{GENERATION_ID}}"),
            ("list", "GET", ""),
            ("delete", "DELETE", "/{{GENERATION_ID}}"),
        ]
    },
}


@pytest.fixture(params=["documented", "observed"])
def base_url(request, tmp_path):
    with running_fake(tmp_path, "--profile", request.param, "--duration", "0") as (base_url, _):
        yield base_url


def run(command, example, base_url, job=""):
    """Return the JSON that an example prints."""
    text = example.replace(HOST, base_url).replace(TOKEN, "a-token").replace(ID, job)
    ended = subprocess.run([*command, text], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("command", "examples"),
    [(["bash", "-c"], CURL), ([sys.executable, "-c"], PYTHON)],
    ids=["curl", "Python"],
)
def test_the_examples_of_the_vendor_documentation_run(base_url, command, examples):
    created = run(command, examples["create"], base_url)
    assert created["status"] == "pending"
    got = run(command, examples["get"], base_url, created["id"])
    assert (got["id"], got["status"]) == (created["id"], "completed")
    assert run(command, examples["list"], base_url)["generation_list"] == [got]
    assert run(command, examples["delete"], base_url, created["id"]) == {"message": "Generation deleted"}
    assert run(command, examples["list"], base_url)["generation_list"] == []
