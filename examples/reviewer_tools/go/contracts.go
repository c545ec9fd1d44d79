package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hamba/avro/v2"
)

// A zero byte and the schema id.
const headerLength = 5

// contracts are the schemas that `interlock schemas export` has written.
type contracts struct {
	byHeader map[string]avro.Schema
	headers  map[string][]byte // by the name of the schema, of the version that is written now
}

func readContracts(directory string) (*contracts, error) {
	content, err := os.ReadFile(filepath.Join(directory, "index.json"))
	if err != nil {
		return nil, err
	}
	var index struct {
		Schemas []struct {
			File, Schema, Header string
			Current              bool
		}
	}
	if err := json.Unmarshal(content, &index); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	known := &contracts{map[string]avro.Schema{}, map[string][]byte{}}
	for _, entry := range index.Schemas {
		text, err := os.ReadFile(filepath.Join(directory, entry.File))
		if err != nil {
			return nil, err
		}
		// A cache of its own: versions of a schema have one name.
		schema, err := avro.ParseBytesWithCache(text, "", &avro.SchemaCache{})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.File, err)
		}
		header, err := hex.DecodeString(entry.Header)
		if err != nil {
			return nil, fmt.Errorf("index.json, header of %s: %w", entry.File, err)
		}
		known.byHeader[string(header)] = schema
		if entry.Current {
			known.headers[entry.Schema] = header
		}
	}
	return known, nil
}

// encode gives the record as a value of its topic; fields with a default may be missing.
func (known *contracts) encode(name string, record any) ([]byte, error) {
	header := known.headers[name]
	body, err := avro.Marshal(known.byHeader[string(header)], record)
	return append(append([]byte{}, header...), body...), err
}

// decode reads a value into the fields that record has. What an older version lacks stays empty, which is its default.
func (known *contracts) decode(name string, value []byte, record any) error {
	header := value[:min(headerLength, len(value))]
	schema, found := known.byHeader[string(header)]
	if !found {
		return fmt.Errorf("a %s begins with %x: export the schemas again", name, header)
	}
	return avro.Unmarshal(schema, value[headerLength:], record)
}
