import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/** Parses every exported schema alone, writes a decision again as it was read, and one with nothing but what must be given. */
public final class Main {
  private static final int HEADER_LENGTH = 5;
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    Path contracts = Path.of(arguments[0]);
    Path work = Path.of(arguments[1]);
    Map<Integer, Schema> schemas = new HashMap<>();
    for (JsonNode entry : JSON.readTree(contracts.resolve("index.json").toFile()).get("schemas")) {
      Path file = contracts.resolve(entry.get("file").asText());
      // A parser of its own: no schema may lean on another one.
      schemas.put(entry.get("id").asInt(), new Schema.Parser().parse(file.toFile()));
    }
    byte[] value = Files.readAllBytes(work.resolve("decision.bin"));
    byte[] header = Arrays.copyOf(value, HEADER_LENGTH);
    Schema schema = schemas.get(ByteBuffer.wrap(header).getInt(1));
    var decoder = DecoderFactory.get().binaryDecoder(value, HEADER_LENGTH, value.length - HEADER_LENGTH, null);
    GenericRecord decision = new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
    write(work.resolve("again.bin"), header, schema, decision);

    JsonNode given = JSON.readTree(work.resolve("smallest.json").toFile());
    var smallest = new GenericRecordBuilder(schema);
    for (String name : new String[] {"decision_id", "domain", "model_id", "model_version", "prediction"}) {
      smallest.set(name, given.get(name).asText());
    }
    smallest.set("confidence", given.get("confidence").asDouble()).set("created_at", given.get("created_at").asLong());
    write(work.resolve("smallest.bin"), header, schema, smallest.build());
    Files.writeString(work.resolve("parsed"), Integer.toString(schemas.size()));
  }

  private static void write(Path path, byte[] header, Schema schema, GenericRecord record) throws Exception {
    var bytes = new ByteArrayOutputStream();
    bytes.write(header);
    var encoder = EncoderFactory.get().binaryEncoder(bytes, null);
    new GenericDatumWriter<GenericRecord>(schema, GenericData.get()).write(record, encoder);
    encoder.flush();
    Files.write(path, bytes.toByteArray());
  }
}
