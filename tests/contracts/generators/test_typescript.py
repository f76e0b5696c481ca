"""openapi-typescript: the types compile under ``tsc --strict``, and know config, result and error."""

import pytest

pytestmark = pytest.mark.slow

TSC = ("--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--noEmit")
USE = """
import type { components, paths } from "./api";

type Schemas = components["schemas"];
type Created = paths["/v1/generation"]["post"]["responses"][200]["content"]["application/json"];

export const request: Schemas["create-request"] = {
  model: "Qwen/Qwen-Image",
  config: { prompt: "A cup of coffee", num_images: 1 },
};

export function urlsOf(generation: Created): string[] {
  return (generation.result.data ?? []).flatMap((entry) => entry.url ?? []);
}

export function deletion(generation: Schemas["generation"]): string {
  return generation.deleted_at ?? "not deleted";
}

export function reason({ message, detail }: Schemas["error"]): string | undefined {
  return typeof detail === "string" ? detail : (detail?.[0].msg ?? message);
}

// @ts-expect-error: a config is an object
export const noConfig: Schemas["create-request"] = { model: "Qwen/Qwen-Image", config: "A cup of coffee" };

export function mistakes(generation: Created, error: Schemas["error"]) {
  // @ts-expect-error: it is null if the generation is not deleted
  generation.deleted_at.length;
  // @ts-expect-error: an entry has no such field
  generation.result.data?.[0].link;
  // @ts-expect-error: it can be a list
  error.detail?.toUpperCase();
}
"""


def test_the_types_of_openapi_typescript_know_config_result_and_error(npm, document, run, tmp_path):
    tools = npm / "node_modules" / ".bin"
    run(tools / "openapi-typescript", document, "-o", tmp_path / "api.d.ts", folder=npm)
    (tmp_path / "use.ts").write_text(USE)
    run(tools / "tsc", *TSC, tmp_path / "use.ts", folder=npm)
