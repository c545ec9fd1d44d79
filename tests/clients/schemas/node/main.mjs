// Parses every exported schema alone, writes a decision again as it was read, and one with nothing but what must be given.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import avro from "avsc";

const HEADER_LENGTH = 5;
const [contracts, work] = process.argv.slice(2);
const document = (directory, name) => JSON.parse(readFileSync(join(directory, name), "utf8"));

const types = new Map();
for (const entry of document(contracts, "index.json").schemas) {
  types.set(entry.id, avro.Type.forSchema(document(contracts, entry.file)));
}
const value = readFileSync(join(work, "decision.bin"));
const header = value.subarray(0, HEADER_LENGTH);
const type = types.get(header.readUInt32BE(1));
const write = (name, record) =>
  writeFileSync(join(work, name), Buffer.concat([header, type.toBuffer(record)]));

write("again.bin", type.fromBuffer(value.subarray(HEADER_LENGTH)));
write("smallest.bin", document(work, "smallest.json"));
writeFileSync(join(work, "parsed"), String(types.size));
