// Kafka Streams' side of the comparison: what it says of a topology, and what it makes of records.
//
//   describe FOLDER                      writes NAME.describe for every topology
//   drive FOLDER                         writes NAME.records: each record that goes in, and all that come out of it
//   run BOOTSTRAP                        runs applications on a cluster, one for each line of standard input: application id,
//                                        topology, prefix of its inputs, prefix of its outputs; ends each when it has read
//                                        everything, and says so by `done`
//
// A line of records: `in` or `out`, topic, timestamp, key, value, headers (name=value, …), tab-separated, bytes in hex, `-`
// for null. What comes out of a record stands behind it, by the topic's name, then in order.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.LongSerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;

public final class StreamsProbe {
    private static final int RECORDS_PER_TOPIC = 60;

    public static void main(final String[] arguments) throws Exception {
        if (arguments[0].equals("run")) {
            run(arguments[1]);
            return;
        }
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

    private static void run(final String bootstrap) throws Exception {
        final BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (Admin admin = Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                final String[] fields = line.split("\t", -1);
                Topologies.inputs = fields[2];
                Topologies.outputs = fields[3];
                final StreamsBuilder builder = new StreamsBuilder();
                Topologies.all().get(fields[1]).build().accept(builder);
                try (KafkaStreams streams = new KafkaStreams(builder.build(), settings(bootstrap, fields[0]))) {
                    streams.start();
                    while (!hasReadEverything(admin, fields[0])) {
                        Thread.sleep(200);
                    }
                    streams.close(Duration.ofSeconds(20));
                }
                System.out.println("done");
            }
        }
    }

    private static Properties settings(final String bootstrap, final String application) throws Exception {
        final Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("streams-probe").toString());
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
        // Records of both sides of a join come in the order of their times, however late they arrive.
        properties.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, 3_000);
        // What passed a repartition topic stays there, to be compared.
        properties.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 3_600_000);
        properties.put(StreamsConfig.producerPrefix("linger.ms"), 5);
        return properties;
    }

    /** Whether all partitions that the members have are committed up to their ends. */
    private static boolean hasReadEverything(final Admin admin, final String application) throws Exception {
        final ConsumerGroupDescription group;
        try {
            group = admin.describeConsumerGroups(List.of(application)).all().get().get(application);
        } catch (final ExecutionException notYet) {
            return false;
        }
        if (group.groupState() != GroupState.STABLE) {
            return false;
        }
        final Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        group.members().forEach(member -> member.assignment().topicPartitions().forEach(tp -> asked.put(tp, OffsetSpec.latest())));
        if (asked.isEmpty()) {
            return false;
        }
        final var committed = admin.listConsumerGroupOffsets(application).partitionsToOffsetAndMetadata().get();
        for (final var end : admin.listOffsets(asked).all().get().entrySet()) {
            final var reached = committed.get(end.getKey());
            if (end.getValue().offset() > (reached == null ? 0 : reached.offset())) {
                return false;
            }
        }
        return true;
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
