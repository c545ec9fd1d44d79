// Parses every exported schema alone, writes a decision again as it was read, and one with nothing but what must be given.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hamba/avro/v2"
)

const headerLength = 5

type index struct {
	Schemas []struct {
		File string `json:"file"`
		ID   uint32 `json:"id"`
	} `json:"schemas"`
}

func main() {
	contracts, work := os.Args[1], os.Args[2]
	var known index
	must(json.Unmarshal(read(contracts, "index.json"), &known))
	schemas := map[uint32]avro.Schema{}
	for _, entry := range known.Schemas {
		// A cache of its own: no schema may lean on another one.
		schema, err := avro.ParseBytesWithCache(read(contracts, entry.File), "", &avro.SchemaCache{})
		must(err)
		schemas[entry.ID] = schema
	}
	value := read(work, "decision.bin")
	header, body := value[:headerLength], value[headerLength:]
	schema := schemas[binary.BigEndian.Uint32(header[1:])]

	var decision map[string]any
	must(avro.Unmarshal(schema, body, &decision))
	write(work, "again.bin", header, schema, decision)

	var smallest map[string]any
	must(json.Unmarshal(read(work, "smallest.json"), &smallest))
	smallest["created_at"] = int64(smallest["created_at"].(float64))
	// hamba cannot write a default that has a null inside.
	smallest["history"] = map[string]any{"previous_decisions": []any{}, "model_accuracy_on_similar": nil}
	write(work, "smallest.bin", header, schema, smallest)
	must(os.WriteFile(filepath.Join(work, "parsed"), []byte(fmt.Sprint(len(schemas))), 0o600))
}

func write(directory, name string, header []byte, schema avro.Schema, record any) {
	body, err := avro.Marshal(schema, record)
	must(err)
	must(os.WriteFile(filepath.Join(directory, name), append(append([]byte{}, header...), body...), 0o600))
}

func read(directory, name string) []byte {
	content, err := os.ReadFile(filepath.Join(directory, name))
	must(err)
	return content
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
