import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group by Java's own consumer; the README one folder up says what it hears and says. */
public final class Member {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[1]);
        settings.put("group.id", arguments[2]);
        settings.put("group.protocol", "classic");
        settings.put("partition.assignment.strategy", assignor(arguments[4]));
        settings.put("session.timeout.ms", "6000");
        settings.put("heartbeat.interval.ms", "500");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        var commands = new ConcurrentLinkedQueue<String>();
        Thread listener = new Thread(() -> new BufferedReader(new InputStreamReader(System.in)).lines().forEach(commands::add));
        listener.setDaemon(true);
        listener.start();
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(arguments[3]));
            serve(consumer, commands);
        }
        System.out.println("left");
    }

    private static void serve(KafkaConsumer<byte[], byte[]> consumer, ConcurrentLinkedQueue<String> commands) {
        TreeSet<Integer> owned = null;
        while (true) {
            var records = consumer.poll(Duration.ofMillis(100));
            var now = consumer.assignment().stream().map(TopicPartition::partition).collect(Collectors.toCollection(TreeSet::new));
            if (!now.equals(owned)) {
                owned = now;
                System.out.println("owns " + owned.stream().map(String::valueOf).collect(Collectors.joining(" ")));
            }
            for (ConsumerRecord<byte[], byte[]> record : records) {
                System.out.println("read " + record.partition() + " " + record.offset());
            }
            String command = commands.poll();
            if ("commit".equals(command)) {
                consumer.commitSync();
                System.out.println("committed");
            } else if ("leave".equals(command)) {
                return;
            }
        }
    }

    private static String assignor(String name) {
        return "org.apache.kafka.clients.consumer." + switch (name) {
            case "range" -> "RangeAssignor";
            case "roundrobin" -> "RoundRobinAssignor";
            case "sticky" -> "StickyAssignor";
            case "cooperative-sticky" -> "CooperativeStickyAssignor";
            default -> throw new IllegalArgumentException(name);
        };
    }
}
