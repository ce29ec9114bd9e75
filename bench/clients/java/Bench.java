import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.lang.management.ManagementFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The benchmark's driver for Java's clients: {@code java} (a callback per record) and {@code java-future} (the
 *  future of each record, awaited). Same options and the same row of CSV as the drivers in Rust. */
public final class Bench {
    private static final Duration POLL = Duration.ofSeconds(5);

    private final Map<String, String> options = new HashMap<>();
    private final List<String> properties = new ArrayList<>();
    private final String client, op, brokers, topic, partitioning, codec;
    private final int partitions, valueSize, window;
    private final long records, warmup;
    private final boolean defaults;
    private byte[][] values, keys;

    public static void main(String[] arguments) throws Exception {
        System.out.println(new Bench(arguments).run());
    }

    private Bench(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            String name = arguments[i];
            if (name.equals("--defaults")) options.put(name, "true");
            else if (name.equals("--property")) properties.add(arguments[++i]);
            else options.put(name, arguments[++i]);
        }
        client = option("client", "java");
        op = option("op", "produce");
        brokers = option("brokers", null);
        topic = option("topic", "bench");
        partitioning = option("partitioning", "rr");
        codec = option("compression", "none");
        partitions = Integer.parseInt(option("partitions", "6"));
        valueSize = Integer.parseInt(option("value-size", "100"));
        window = Integer.parseInt(option("window", "100000"));
        records = Long.parseLong(option("records", "2000000"));
        warmup = Long.parseLong(option("warmup", Long.toString(records)));
        defaults = options.containsKey("--defaults");
    }

    private String option(String name, String otherwise) {
        String value = options.getOrDefault("--" + name, otherwise);
        if (value == null) throw new IllegalArgumentException("--" + name + " is missing");
        return value;
    }

    private String run() throws Exception {
        switch (op) {
            case "produce": return produce();
            case "consume": return consume();
            case "e2e": return endToEnd();
            default: throw new IllegalArgumentException("there is no `" + op + "` here");
        }
    }

    private KafkaProducer<byte[], byte[]> producer() {
        Properties settings = common();
        settings.put("compression.type", codec);
        if (!defaults) {
            settings.put("batch.size", option("batch-size", "131072"));
            settings.put("buffer.memory", option("buffer-memory", String.valueOf(256 << 20)));
        }
        if (!linger().equals("default")) settings.put("linger.ms", linger());
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** As it was asked for; else the tuned one, or the client's own. */
    private String linger() {
        return option("linger-ms", defaults ? "default" : "5");
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        Properties settings = common();
        settings.put("enable.auto.commit", "false");
        if (!defaults) {
            settings.put("fetch.max.wait.ms", option("max-wait-ms", "500"));
            settings.put("max.partition.fetch.bytes", "1048576");
            settings.put("max.poll.records", option("max-poll", "10000"));
        }
        KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < partitions; i++) all.add(new TopicPartition(topic, i));
        consumer.assign(all);
        for (TopicPartition partition : all) consumer.seek(partition, 0);
        return consumer;
    }

    private Properties common() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        settings.put("client.id", "bench");
        for (String property : properties) {
            int at = property.indexOf('=');
            settings.put(property.substring(0, at), property.substring(at + 1));
        }
        return settings;
    }

    private String produce() throws Exception {
        values = new byte[valueSize < 512 ? 8192 : 1024][];
        for (int i = 0; i < values.length; i++) values[i] = json(i, valueSize);
        keys = new byte[4096][];
        int keySize = Integer.parseInt(option("key-size", "16"));
        for (int i = 0; i < keys.length; i++) {
            keys[i] = String.format("%0" + keySize + "d", i * 2654435761L % 1000000007L).getBytes();
        }
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            boolean futures = client.endsWith("-future");
            if (futures) withFutures(producer, warmup); else withCallbacks(producer, warmup);
            Reading start = new Reading();
            long errors = futures ? withFutures(producer, records) : withCallbacks(producer, records);
            return row(start, records, errors, new double[0]);
        }
    }

    /** One callback for all records, which counts. */
    private long withCallbacks(KafkaProducer<byte[], byte[]> producer, long count) {
        AtomicLong done = new AtomicLong(), errors = new AtomicLong();
        Callback callback = (metadata, error) -> {
            if (error != null) errors.incrementAndGet();
            done.incrementAndGet();
        };
        for (long i = 0; i < count; i++) {
            while (i - done.get() >= window) LockSupport.parkNanos(500_000);
            producer.send(record(i), callback);
        }
        producer.flush();
        return errors.get();
    }

    /** The future of each record, awaited when the window is full. */
    private long withFutures(KafkaProducer<byte[], byte[]> producer, long count) throws InterruptedException {
        long errors = 0;
        @SuppressWarnings("unchecked")
        Future<RecordMetadata>[] ring = new Future[window];
        for (long i = 0; i < count + window; i++) {
            int at = (int) (i % window);
            if (ring[at] != null) {
                try {
                    ring[at].get();
                } catch (java.util.concurrent.ExecutionException error) {
                    errors++;
                }
            }
            ring[at] = i < count ? producer.send(record(i)) : null;
        }
        return errors;
    }

    private ProducerRecord<byte[], byte[]> record(long i) {
        byte[] value = values[(int) (i & (values.length - 1))];
        switch (partitioning) {
            case "rr": return new ProducerRecord<>(topic, (int) (i % partitions), null, value);
            case "key": return new ProducerRecord<>(topic, null, keys[(int) (i & (keys.length - 1))], value);
            default: return new ProducerRecord<>(topic, null, null, value);
        }
    }

    private long size;

    private String consume() throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            receive(consumer, warmup);
            Reading start = new Reading();
            long got = receive(consumer, records);
            if (size == 0) throw new IllegalStateException("no bytes");
            return row(start, got, 0, new double[0]);
        }
    }

    private long receive(KafkaConsumer<byte[], byte[]> consumer, long count) {
        long got = 0;
        while (got < count) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                size += record.value().length;
                got++;
            }
        }
        return got;
    }

    private String endToEnd() throws Exception {
        int rate = Integer.parseInt(option("rate", "200"));
        double[] ages = new double[(int) records];
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            producer.send(new ProducerRecord<>(topic, 0, null, stamped())).get();
            Thread receiving = new Thread(() -> {
                long skip = warmup + 1;
                int got = 0;
                try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
                    while (got < ages.length) {
                        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                            long made = ByteBuffer.wrap(record.value()).order(ByteOrder.LITTLE_ENDIAN).getLong();
                            double age = (nowNanos() - made) / 1e3;
                            if (skip > 0) skip--;
                            else if (got < ages.length) ages[got++] = age;
                        }
                    }
                }
            });
            receiving.start();
            Thread.sleep(1500);
            Reading start = null;
            long begin = System.nanoTime();
            for (long i = 0; i < warmup + records; i++) {
                LockSupport.parkNanos(begin + i * 1_000_000_000L / rate - System.nanoTime());
                if (i == warmup) start = new Reading();
                producer.send(new ProducerRecord<>(topic, (int) (i % partitions), null, stamped()));
            }
            receiving.join();
            return row(start, records, 0, ages);
        }
    }

    private byte[] stamped() {
        byte[] value = new byte[Math.max(valueSize, 8)];
        Arrays.fill(value, (byte) 'x');
        ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN).putLong(nowNanos());
        return value;
    }

    private static long nowNanos() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000_000L + now.getNano();
    }

    /** The same values as the other drivers', byte for byte. */
    private static byte[] json(int i, int size) {
        StringBuilder text = new StringBuilder(String.format(Locale.ROOT,
            "{\"id\":%d,\"user\":\"user-%05d\",\"event\":\"%s\",\"ts\":%d,\"amount\":%d.%02d,\"tags\":[",
            i, i * 7919L % 20011, new String[] {"click", "view", "purchase", "refund"}[i % 4],
            1700000000000L + i * 37L, i * 31 % 997, i * 17 % 100));
        String[] words = {"alpha", "beta", "gamma", "delta"};
        long random = (i * 0x9E3779B97F4A7C15L) | 1;
        while (text.length() < size) {
            random ^= random << 13;
            random ^= random >>> 7;
            random ^= random << 17;
            text.append('"').append(words[(int) (random & 3)]).append('-');
            text.append(Long.toHexString((random >>> 8) & 0xffff)).append("\",");
        }
        return text.substring(0, size).getBytes();
    }

    /** What the process and the broker have used so far. */
    private final class Reading {
        final double cpu = ((com.sun.management.OperatingSystemMXBean)
            ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
        final double broker = brokerSeconds();
        final long at = System.nanoTime();
    }

    private double brokerSeconds() {
        try {
            String text = Files.readString(Path.of("/proc/" + option("broker-pid", "0") + "/stat"));
            String[] fields = text.substring(text.lastIndexOf(')') + 2).split(" ");
            return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / 100.0;
        } catch (java.io.IOException error) {
            return 0;
        }
    }

    /** Java tells the CPU time as one number, so it stands in the column of the user's time. */
    private String row(Reading start, long count, long errors, double[] ages) throws java.io.IOException {
        Reading end = new Reading();
        double secs = (end.at - start.at) / 1e9, cpu = end.cpu - start.cpu;
        Arrays.sort(ages);
        String batch = defaults ? "default" : option("batch-size", "131072");
        return String.format(Locale.ROOT,
            "%s,%s,%s,%d,%s,%s,%s,%s,%d,%.3f,%.0f,%.1f,%.3f,0,%.4f,%.4f,0,0,%d,%.0f,%.0f,%.0f,%d",
            client, option("broker-kind", "null"), op, valueSize, partitioning, codec, linger(), batch, count, secs,
            count / secs, count * (double) valueSize / secs / 1e6, cpu, cpu / count * 1e6,
            (end.broker - start.broker) / count * 1e6, peakMemoryMib(), quantile(ages, 0.5), quantile(ages, 0.99),
            quantile(ages, 1), errors);
    }

    private static double quantile(double[] sorted, double share) {
        return sorted.length == 0 ? 0 : sorted[(int) ((sorted.length - 1) * share)];
    }

    private static long peakMemoryMib() throws java.io.IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM")) return Long.parseLong(line.replaceAll("\\D", "")) / 1024;
        }
        return 0;
    }
}
