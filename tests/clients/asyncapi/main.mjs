// Prints what the official JSON schema of AsyncAPI finds wrong with a document, a line each, and nothing if it is valid.
import { readFileSync } from "node:fs";
import specs from "@asyncapi/specs";
import Ajv from "ajv";
import formats from "ajv-formats";

const document = JSON.parse(readFileSync(process.argv[2], "utf8"));
// The schema repeats keywords beside each other in ways that ajv takes for slips of the pen.
const ajv = new Ajv({ allErrors: true, strict: false });
formats(ajv);
// The dialect of JSON Schema that the schema brings along is the one that ajv knows.
const { "http://json-schema.org/draft-07/schema": _, ...definitions } = specs.schemas["3.0.0"].definitions;
const validate = ajv.compile({ ...specs.schemas["3.0.0"], definitions });
if (!validate(document)) {
  for (const error of validate.errors) console.log(error.instancePath, error.message);
}
