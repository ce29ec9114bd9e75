import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Java's own clients as one of the foreign clients; the README two folders up says what the commands do. */
public final class Probe {
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "produce" -> produce(arguments[1], arguments[2], arguments[3]);
            case "consume" -> consume(arguments[1], arguments[2], Integer.parseInt(arguments[3]));
            case "list" -> list(arguments[1]);
            case "offsets" -> offsets(arguments[1], arguments[2], Long.parseLong(arguments[3]));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        OUT.flush();
    }

    private static void produce(String bootstrap, String topic, String codec) throws Exception {
        Properties settings = settings(bootstrap);
        settings.put("compression.type", codec);
        settings.put("linger.ms", "100");
        List<Future<RecordMetadata>> deliveries = new ArrayList<>();
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                String[] parts = line.split("\t", -1);
                List<Header> headers = new ArrayList<>();
                for (int i = 4; i < parts.length; i++) {
                    String[] pair = parts[i].split(":", -1);
                    headers.add(new RecordHeader(new String(decode(pair[0]), StandardCharsets.UTF_8), decode(pair[1])));
                }
                deliveries.add(producer.send(new ProducerRecord<>(
                    topic, Integer.valueOf(parts[0]), Long.valueOf(parts[1]), decode(parts[2]), decode(parts[3]), headers)));
            }
            producer.flush();
            for (Future<RecordMetadata> delivery : deliveries) {
                RecordMetadata at = delivery.get();
                OUT.println(at.partition() + "\t" + at.offset());
            }
        }
    }

    private static void consume(String bootstrap, String topic, int count) {
        try (var consumer = consumer(bootstrap)) {
            List<TopicPartition> partitions = partitions(consumer, topic);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long deadline = System.nanoTime() + TIMEOUT.toNanos();
            for (int read = 0; read < count; ) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("only " + read + " of " + count + " records came");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    print(record);
                    read++;
                }
            }
        }
    }

    private static void print(ConsumerRecord<byte[], byte[]> record) {
        var line = new StringBuilder();
        line.append(record.partition()).append('\t').append(record.offset()).append('\t').append(record.timestamp());
        line.append('\t').append(encode(record.key())).append('\t').append(encode(record.value()));
        for (Header header : record.headers()) {
            line.append('\t').append(encode(header.key().getBytes(StandardCharsets.UTF_8)));
            line.append(':').append(encode(header.value()));
        }
        OUT.println(line);
    }

    private static void list(String bootstrap) throws Exception {
        try (Admin admin = Admin.create(settings(bootstrap))) {
            var names = admin.listTopics().names().get();
            var topics = new TreeMap<>(admin.describeTopics(names).allTopicNames().get());
            topics.forEach((name, topic) -> OUT.println(name + "\t" + topic.partitions().size()));
        }
    }

    private static void offsets(String bootstrap, String topic, long timestamp) {
        try (var consumer = consumer(bootstrap)) {
            List<TopicPartition> partitions = partitions(consumer, topic);
            Map<TopicPartition, Long> times = new HashMap<>();
            partitions.forEach(partition -> times.put(partition, timestamp));
            Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions, TIMEOUT);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions, TIMEOUT);
            Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(times, TIMEOUT);
            for (TopicPartition partition : partitions) {
                OffsetAndTimestamp at = found.get(partition);
                OUT.println(partition.partition() + "\t" + starts.get(partition) + "\t" + ends.get(partition)
                    + "\t" + (at == null ? -1 : at.offset()));
            }
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap) {
        return new KafkaConsumer<>(settings(bootstrap), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int i = 0; i < consumer.partitionsFor(topic, TIMEOUT).size(); i++) {
            partitions.add(new TopicPartition(topic, i));
        }
        return partitions;
    }

    private static Properties settings(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        return settings;
    }

    private static String encode(byte[] bytes) {
        return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
    }

    private static byte[] decode(String text) {
        return text.equals("-") ? null : Base64.getDecoder().decode(text);
    }
}
