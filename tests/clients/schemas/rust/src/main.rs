//! Parses every exported schema alone, writes a decision again as it was read, and one with nothing but what must be given.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

const HEADER_LENGTH: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let (contracts, work) = (&paths[0], &paths[1]);
    let mut schemas = HashMap::new();
    for entry in document(&contracts.join("index.json"))?["schemas"].as_array().ok_or("no schemas")? {
        let file = contracts.join(entry["file"].as_str().ok_or("no file")?);
        let schema = Schema::parse_str(&fs::read_to_string(&file)?).map_err(|error| format!("{}: {error}", file.display()))?;
        schemas.insert(u32::try_from(entry["id"].as_u64().ok_or("no id")?)?, schema);
    }
    let value = fs::read(work.join("decision.bin"))?;
    let (header, mut body) = value.split_at(HEADER_LENGTH);
    let schema = &schemas[&u32::from_be_bytes(header[1..].try_into()?)];

    let decision = GenericDatumReader::builder(schema).build()?.read_value(&mut body)?;
    write(&work.join("again.bin"), header, schema, decision)?;

    let given = document(&work.join("smallest.json"))?;
    let mut fields = Vec::new();
    for name in ["decision_id", "domain", "model_id", "model_version", "prediction"] {
        fields.push((name.to_string(), Value::String(given[name].as_str().ok_or(name)?.to_string())));
    }
    fields.push(("confidence".into(), Value::Double(given["confidence"].as_f64().ok_or("no confidence")?)));
    fields.push(("created_at".into(), Value::TimestampMicros(given["created_at"].as_i64().ok_or("no created_at")?)));
    // Resolving to the schema fills in the defaults.
    write(&work.join("smallest.bin"), header, schema, Value::Record(fields).resolve(schema)?)?;
    fs::write(work.join("parsed"), schemas.len().to_string())?;
    Ok(())
}

fn write(path: &Path, header: &[u8], schema: &Schema, record: Value) -> Result<(), Box<dyn Error>> {
    let body = GenericDatumWriter::builder(schema).build()?.write_value_to_vec(record)?;
    Ok(fs::write(path, [header, &body].concat())?)
}

fn document(path: &Path) -> Result<serde_json::Value, Box<dyn Error>> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
