// Kafka Streams' side of the comparison: what it says of a topology, and what it makes of records.
//
//   describe FOLDER                      writes NAME.describe for every topology
//   drive FOLDER                         writes NAME.records: each record that goes in, and all that come out of it
//
// A line of records: `in` or `out`, topic, timestamp, key, value, headers (name=value, …), tab-separated, bytes in hex, `-`
// for null. What comes out of a record stands behind it, by the topic's name, then in order.

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.LongSerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;

public final class StreamsProbe {
    private static final int RECORDS_PER_TOPIC = 60;

    public static void main(final String[] arguments) throws Exception {
        final Path folder = Path.of(arguments[1]);
        Files.createDirectories(folder);
        for (final Map.Entry<String, Topologies.Entry> entry : Topologies.all().entrySet()) {
            final StreamsBuilder builder = new StreamsBuilder();
            entry.getValue().build().accept(builder);
            final Topology topology = builder.build();
            switch (arguments[0]) {
                case "describe" -> Files.writeString(folder.resolve(entry.getKey() + ".describe"), topology.describe().toString());
                case "drive" -> drive(topology, entry.getValue(), folder.resolve(entry.getKey() + ".records"));
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        }
    }

    private static void drive(final Topology topology, final Topologies.Entry entry, final Path file) throws Exception {
        final Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("streams-probe").toString());
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        try (TopologyTestDriver driver = new TopologyTestDriver(topology, properties); PrintWriter out = new PrintWriter(file.toFile())) {
            final Random random = new Random(7);
            final List<String> topics = List.copyOf(entry.inputs().keySet());
            final Map<String, TestInputTopic<byte[], byte[]>> inputs = new TreeMap<>();
            topics.forEach(topic -> inputs.put(topic, driver.createInputTopic(topic, new ByteArraySerializer(), new ByteArraySerializer())));
            for (int i = 0; i < RECORDS_PER_TOPIC * topics.size(); i++) {
                final String topic = topics.get(random.nextInt(topics.size()));
                final TestRecord<byte[], byte[]> record = Records.random(random, i, entry.inputs().get(topic));
                out.println("in\t" + topic + "\t" + line(record));
                inputs.get(topic).pipeInput(record);
                for (final String written : new TreeSet<>(driver.producedTopicNames())) {
                    final var output = driver.createOutputTopic(written, new ByteArrayDeserializer(), new ByteArrayDeserializer());
                    while (!output.isEmpty()) {
                        out.println("out\t" + written + "\t" + line(output.readRecord()));
                    }
                }
            }
        }
    }

    private static String line(final TestRecord<byte[], byte[]> record) {
        final StringBuilder headers = new StringBuilder();
        for (final Header header : record.headers()) {
            headers.append(headers.isEmpty() ? "" : ",").append(header.key()).append('=').append(hex(header.value()));
        }
        return record.timestamp() + "\t" + hex(record.key()) + "\t" + hex(record.value()) + "\t" + headers;
    }

    private static String hex(final byte[] bytes) {
        return bytes == null ? "-" : HexFormat.of().formatHex(bytes);
    }

    /** Records whose times go back now and then, whose keys and values are missing now and then. */
    static final class Records {
        static TestRecord<byte[], byte[]> random(final Random random, final int index, final char values) {
            final long late = random.nextInt(6) == 0 ? 1_000L * random.nextInt(40) : 0;
            final long timestamp = Math.max(0, 1_000_000L + 700L * index + random.nextInt(900) - late);
            final byte[] key = random.nextInt(10) == 0 ? null : ("k" + random.nextInt(5)).getBytes(StandardCharsets.UTF_8);
            final byte[] value = random.nextInt(8) == 0 ? null : value(random, values);
            final RecordHeaders headers = new RecordHeaders();
            if (random.nextInt(5) == 0) {
                headers.add("at", Integer.toString(index).getBytes(StandardCharsets.UTF_8));
            }
            return new TestRecord<>(key, value, headers, timestamp);
        }

        private static byte[] value(final Random random, final char kind) {
            if (kind == 'l') {
                return new LongSerializer().serialize("", (long) random.nextInt(100));
            }
            final StringBuilder text = new StringBuilder();
            for (int words = random.nextInt(4); words >= 0; words--) {
                text.append(text.isEmpty() ? "" : " ").append('w').append(random.nextInt(6));
            }
            return text.toString().getBytes(StandardCharsets.UTF_8);
        }
    }
}
