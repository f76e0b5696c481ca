"""openapi-generator: its clients in Python, TypeScript and Go work with the fake."""

import sys

import pytest

pytestmark = pytest.mark.slow

PYTHON = """
import json
import sys
from pathlib import Path

from netmind_api import ApiClient, Configuration, CreateRequest, Error, Generation, GenerationApi
from netmind_api.exceptions import NotFoundException, UnprocessableEntityException

configuration = Configuration(host=sys.argv[1], api_key={"token": "any-key"}, api_key_prefix={"token": "Bearer"})
with ApiClient(configuration) as client:
    api = GenerationApi(client)
    created = api.create(CreateRequest(model="Qwen/Qwen-Image", config={"prompt": "A cup of coffee"}))
    assert (created.status, created.deleted_at, created.result.data) == ("pending", None, None)
    assert api.get(created.id).result.data[0].url.startswith(sys.argv[1])
    assert [one.id for one in api.list().generation_list] == [created.id]
    assert api.delete(created.id).message == "Generation deleted"
    try:
        api.get("0" * 32)
    except NotFoundException as error:
        assert error.data.message == "Generation not found"

invalid = Error.from_dict({"detail": [{"loc": ["body", 0], "msg": "Field required", "type": "missing"}]})
assert invalid.detail.actual_instance[0].loc == ["body", 0]
assert Error.from_dict({"detail": "Not found"}).detail.actual_instance == "Not found"
"""

TYPESCRIPT = """
import { Configuration, GenerationApi, ResponseError, type ModelError } from "./client";

declare const process: { argv: string[] };

async function main() {
  const api = new GenerationApi(new Configuration({ basePath: process.argv[2], apiKey: "Bearer any-key" }));
  const config = { prompt: "A cup of coffee" };
  const created = await api.create({ createRequest: { model: "Qwen/Qwen-Image", config } });
  const deletedAt: string | null = created.deletedAt;
  const completed = await api.get({ generationId: created.id });
  const url: string | undefined = completed.result.data?.[0].url;
  const { generationList } = await api.list();
  const { message } = await api._delete({ generationId: created.id });
  const error: ModelError = await api.get({ generationId: "0".repeat(32) }).then(
    () => ({}),
    (reason: ResponseError) => reason.response.json(),
  );
  console.log([deletedAt, url?.startsWith(process.argv[2]), generationList.length, message, error.message].join());
}
main();
"""

GO = """
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"example.invalid/netmind/api"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	configuration := openapi.NewConfiguration()
	configuration.Servers = openapi.ServerConfigurations{{URL: os.Args[1]}}
	configuration.AddDefaultHeader("Authorization", "Bearer any-key")
	api, ctx := openapi.NewAPIClient(configuration).GenerationAPI, context.Background()

	request := openapi.NewCreateRequest("Qwen/Qwen-Image", map[string]interface{}{"prompt": "A cup of coffee"})
	created, _, err := api.Create(ctx).CreateRequest(*request).Execute()
	must(err)
	completed, _, err := api.Get(ctx, created.Id).Execute()
	must(err)
	listed, _, err := api.List(ctx).Execute()
	must(err)
	deleted, _, err := api.Delete(ctx, created.Id).Execute()
	must(err)
	_, _, err = api.Get(ctx, strings.Repeat("0", 32)).Execute()
	problem := err.(*openapi.GenericOpenAPIError).Model().(openapi.ModelError)

	local := strings.HasPrefix(completed.Result.Data[0].GetUrl(), os.Args[1])
	fmt.Println(created.DeletedAt.Get(), local, len(listed.GenerationList), deleted.Message, problem.GetMessage())
}
"""


@pytest.fixture
def generate(document, needs, run):
    """Return a function that generates a client: ``generate(language, folder, *options)``."""
    needs("java")

    def generate(language, folder, *options):
        command = ("openapi-generator-cli", "generate", "-g", language, "-i", document, "-o", folder)
        run(*command, *options)

    return generate


def test_the_client_in_python_works_with_the_fake(generate, fake, run, tmp_path):
    generate("python", tmp_path, "--package-name", "netmind_api")
    (tmp_path / "use.py").write_text(PYTHON)
    run(sys.executable, "use.py", fake)


def test_the_client_in_typescript_works_with_the_fake(generate, npm, fake, run, tmp_path):
    generate("typescript-fetch", tmp_path / "client")
    (tmp_path / "use.ts").write_text(TYPESCRIPT)
    tsc = (npm / "node_modules" / ".bin" / "tsc", "--strict", "--target", "es2022", "--lib", "es2022,dom")
    run(*tsc, "--module", "commonjs", "--outDir", "js", "use.ts")
    assert run("node", "js/use.js", fake) == ",true,1,Generation deleted,Generation not found\n"


def test_the_client_in_go_works_with_the_fake(generate, needs, fake, run, tmp_path):
    needs("go")
    generate(
        "go",
        tmp_path / "client",
        "--git-host",
        "example.invalid",
        "--git-user-id",
        "netmind",
        "--git-repo-id",
        "api",
    )
    (tmp_path / "client" / "use").mkdir()
    (tmp_path / "client" / "use" / "main.go").write_text(GO)
    offline = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    run("go", "mod", "edit", "-go", "1.19", folder=tmp_path / "client")  # it needs no newer one
    printed = run("go", "run", "./use", fake, folder=tmp_path / "client", **offline)
    assert printed == "<nil> true 1 Generation deleted Generation not found\n"
