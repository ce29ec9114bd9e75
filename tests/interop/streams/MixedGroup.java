import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

/**
 * One application, a process of Kafka Streams and one of ours: Java begins, ours joins and takes its share of the tasks
 * and their state, Java ends and ours goes on. Every event must count once. Prints "ok" or "FAILED" for each step.
 */
public class MixedGroup {
    private static final int EVENTS = 1000;
    private static String bootstrap;

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        try (Admin admin = Admin.create(properties())) {
            admin.createTopics(List.of(topic("mixed-in"), topic("mixed-out"))).all().get();
        }
        KafkaStreams java = start();
        produce(0);
        step("mixed: Java alone", 1);
        Process ours = new ProcessBuilder(arguments[1], "stream", bootstrap, "mixed", "mixed-in", "mixed-out")
            .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        boolean shared = until(() -> java.metadataForLocalThreads().stream()
            .mapToInt(thread -> thread.activeTasks().size()).sum() == 2 && java.state() == KafkaStreams.State.RUNNING);
        System.out.println((shared ? "ok " : "FAILED ") + "mixed: two of four tasks are ours");
        produce(EVENTS);
        step("mixed: both", 2);
        java.close(Duration.ofSeconds(30));
        produce(2 * EVENTS);
        step("mixed: ours alone", 3);
        ours.getOutputStream().close();
        System.out.println((ours.waitFor() == 0 ? "ok " : "FAILED ") + "mixed: ours ends well");
        System.exit(0);
    }

    private static KafkaStreams start() throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream("mixed-in", Consumed.with(Serdes.String(), Serdes.String()))
            .groupBy((key, value) -> value.substring(value.length() - 1),
                Grouped.with("by-digit", Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts"))
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream().to("mixed-out", Produced.with(Serdes.String(), Serdes.Long()));
        Properties properties = properties();
        properties.put("application.id", "mixed");
        properties.put("commit.interval.ms", "100");
        properties.put("statestore.cache.max.bytes", "0");
        properties.put("state.dir", java.nio.file.Files.createTempDirectory("mixed").toString());
        properties.put("internal.leave.group.on.close", true);
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        streams.start();
        return streams;
    }

    private static Properties properties() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        return properties;
    }

    private static NewTopic topic(String name) {
        return new NewTopic(name, 2, (short) 1);
    }

    private static void produce(int from) {
        try (var producer = new KafkaProducer<>(properties(), new StringSerializer(), new StringSerializer())) {
            for (int number = from; number < from + EVENTS; number++) {
                producer.send(new ProducerRecord<>("mixed-in", "key " + number % 97, "" + number));
            }
        }
    }

    /** Waits until every digit was counted so many hundred times, and no time more. */
    private static void step(String name, long rounds) throws Exception {
        Properties properties = properties();
        properties.put("group.id", "mixed-reader-" + rounds);
        properties.put("auto.offset.reset", "earliest");
        Map<String, Long> last = new TreeMap<>();
        try (var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("mixed-out"));
            until(() -> {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    last.put(record.key(), ByteBuffer.wrap(record.value()).getLong());
                }
                return last.values().stream().mapToLong(Long::longValue).sum() >= rounds * EVENTS;
            });
        }
        boolean exact = last.size() == 10 && last.values().stream().allMatch(count -> count == rounds * EVENTS / 10);
        System.out.println((exact ? "ok " : "FAILED ") + name + (exact ? "" : ": " + last));
    }

    private static boolean until(java.util.function.BooleanSupplier done) throws InterruptedException {
        long deadline = System.currentTimeMillis() + 90_000;
        while (!done.getAsBoolean()) {
            if (System.currentTimeMillis() > deadline) {
                return false;
            }
            Thread.sleep(50);
        }
        return true;
    }
}
