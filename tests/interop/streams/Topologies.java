// The topologies that are written twice: here, and in streams/tests/golden_topologies/ in Rust.

import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;

/** A name, what it reads (topic, and `s` for texts or `l` for longs as values), and how it is built. */
final class Topologies {
    record Entry(Map<String, Character> inputs, Consumer<StreamsBuilder> build) {}

    private static final Serde<String> S = Serdes.String();
    private static final Serde<Long> L = Serdes.Long();
    private static final Consumed<String, String> TEXTS = Consumed.with(S, S);
    private static final Consumed<String, Long> LONGS = Consumed.with(S, L);
    private static final Produced<String, String> TO_TEXTS = Produced.with(S, S);
    private static final Produced<String, Long> TO_LONGS = Produced.with(S, L);

    /** What stands before the names of the topics that are read, and of those that are written. */
    static String inputs = "";
    static String outputs = "";

    private static String in(final String topic) {
        return inputs + topic;
    }

    private static String out(final String topic) {
        return outputs + topic;
    }

    static Map<String, Entry> all() {
        final Map<String, Entry> all = new LinkedHashMap<>();
        all.put("stateless", entry(Topologies::stateless, "texts", 's'));
        all.put("key-changing", entry(Topologies::keyChanging, "texts", 's'));
        all.put("branches", entry(Topologies::branches, "longs", 'l'));
        all.put("branches-named", entry(Topologies::branchesNamed, "longs", 'l'));
        all.put("merge", entry(Topologies::merge, "texts", 's', "more", 's'));
        all.put("diamond", entry(Topologies::diamond, "longs", 'l'));
        all.put("same-topic-twice", entry(Topologies::sameTopicTwice, "texts", 's'));
        all.put("word-count", entry(Topologies::wordCount, "texts", 's'));
        all.put("count-numbered", entry(Topologies::countNumbered, "texts", 's'));
        all.put("count-materialized", entry(Topologies::countMaterialized, "texts", 's'));
        all.put("reduce", entry(Topologies::reduce, "longs", 'l'));
        all.put("aggregate-rekeyed", entry(Topologies::aggregateRekeyed, "longs", 'l'));
        all.put("grouping-shared", entry(Topologies::groupingShared, "longs", 'l'));
        all.put("grouping-unnamed-twice", entry(Topologies::groupingUnnamedTwice, "longs", 'l'));
        all.put("tumbling-count", entry(Topologies::tumblingCount, "texts", 's'));
        all.put("tumbling-numbered", entry(Topologies::tumblingNumbered, "texts", 's'));
        all.put("hopping-aggregate", entry(Topologies::hoppingAggregate, "longs", 'l'));
        all.put("hopping-reduce-rekeyed", entry(Topologies::hoppingReduceRekeyed, "longs", 'l'));
        all.put("table", entry(Topologies::table, "names", 's'));
        all.put("table-not-kept", entry(Topologies::tableNotKept, "names", 's'));
        all.put("table-operators", entry(Topologies::tableOperators, "balances", 'l'));
        all.put("table-operators-kept", entry(Topologies::tableOperatorsKept, "balances", 'l'));
        all.put("join", entry(Topologies::join, "longs", 'l', "names", 's'));
        all.put("left-join", entry(Topologies::leftJoin, "longs", 'l', "names", 's'));
        all.put("left-join-rekeyed", entry(Topologies::leftJoinRekeyed, "longs", 'l', "names", 's'));
        all.put("join-rekeyed-twice", entry(Topologies::joinRekeyedTwice, "longs", 'l', "names", 's', "balances", 'l'));
        all.put("join-named", entry(Topologies::joinNamed, "longs", 'l', "names", 's'));
        all.put("join-with-view", entry(Topologies::joinWithView, "longs", 'l', "balances", 'l'));
        all.put("join-with-own-counts", entry(Topologies::joinWithOwnCounts, "texts", 's'));
        all.put("repartition", entry(Topologies::repartition, "texts", 's'));
        all.put("repartition-numbered", entry(Topologies::repartitionNumbered, "texts", 's'));
        all.put("named", entry(Topologies::named, "texts", 's', "names", 's'));
        all.put("two-pipelines", entry(Topologies::twoPipelines, "texts", 's', "longs", 'l'));
        all.put("chain-of-counts", entry(Topologies::chainOfCounts, "texts", 's'));
        all.put("windowed-rekeyed", entry(Topologies::windowedRekeyed, "texts", 's'));
        all.put("filtered-counts", entry(Topologies::filteredCounts, "texts", 's'));
        all.put("filtered-windows", entry(Topologies::filteredWindows, "longs", 'l'));
        all.put("wide", entry(Topologies::wide, "longs", 'l'));
        return all;
    }

    private static Entry entry(final Consumer<StreamsBuilder> build, final Object... inputs) {
        final Map<String, Character> named = new LinkedHashMap<>();
        for (int i = 0; i < inputs.length; i += 2) {
            named.put((String) inputs[i], (Character) inputs[i + 1]);
        }
        return new Entry(named, build);
    }

    private static List<String> words(final String line) {
        return line == null ? List.of() : Arrays.stream(line.split(" ")).filter(word -> !word.isEmpty()).toList();
    }

    private static String upper(final String text) {
        return text == null ? null : text.toUpperCase(java.util.Locale.ROOT);
    }

    private static boolean isLarge(final Long number) {
        return number != null && number > 50;
    }

    private static <V> Materialized<String, V, KeyValueStore<Bytes, byte[]>> kept(final String name, final Serde<V> values) {
        return Materialized.<String, V, KeyValueStore<Bytes, byte[]>>as(name).withKeySerde(S).withValueSerde(values);
    }

    private static <V> Materialized<String, V, WindowStore<Bytes, byte[]>> keptWindows(final String name, final Serde<V> values) {
        return Materialized.<String, V, WindowStore<Bytes, byte[]>>as(name).withKeySerde(S).withValueSerde(values);
    }

    private static TimeWindows tumbling() {
        return TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(5));
    }

    private static TimeWindows hopping() {
        return TimeWindows.ofSizeAndGrace(Duration.ofSeconds(12), Duration.ofSeconds(3)).advanceBy(Duration.ofSeconds(5));
    }

    private static <V> Produced<Windowed<String>, V> windowed(final long size, final Serde<V> values) {
        return Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, size), values);
    }

    private static void stateless(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .filter((key, text) -> text != null && !text.startsWith("w1"))
            .filterNot((key, text) -> text != null && text.endsWith("w2"))
            .mapValues((key, text) -> upper(text))
            .peek((key, text) -> { })
            .flatMapValues((key, text) -> words(text))
            .to(out("out"), TO_TEXTS);
    }

    private static void keyChanging(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .filter((key, text) -> text != null)
            .selectKey((key, text) -> key == null ? "none" : key + key)
            .map((key, text) -> KeyValue.pair(text, key))
            .flatMap((key, text) -> words(key).stream().map(word -> KeyValue.pair(word, text)).toList())
            .to(out("out"), TO_TEXTS);
        builder.stream(in("texts"), TEXTS).foreach((key, text) -> { });
    }

    private static void branches(final StreamsBuilder builder) {
        final Map<String, KStream<String, Long>> branches = builder.stream(in("longs"), LONGS).split()
            .branch((key, number) -> number != null && number < 20)
            .branch((key, number) -> number != null && number < 60)
            .defaultBranch();
        branches.get("KSTREAM-BRANCH-00000000011").to(out("small"), TO_LONGS);
        branches.get("KSTREAM-BRANCH-00000000012").to(out("middle"), TO_LONGS);
        branches.get("KSTREAM-BRANCH-00000000010").to(out("others"), TO_LONGS);
    }

    private static void branchesNamed(final StreamsBuilder builder) {
        final Map<String, KStream<String, Long>> branches = builder.stream(in("longs"), LONGS).split(Named.as("by-size-"))
            .branch((key, number) -> number != null && number < 20, Branched.as("small"))
            .branch((key, number) -> number != null && number < 60)
            .noDefaultBranch();
        branches.get("by-size-small").to(out("small"), TO_LONGS);
        branches.get("by-size-2").to(out("middle"), TO_LONGS);
    }

    private static void merge(final StreamsBuilder builder) {
        final KStream<String, String> upper = builder.stream(in("texts"), TEXTS).mapValues((key, text) -> upper(text));
        upper.merge(builder.stream(in("more"), TEXTS)).to(out("out"), TO_TEXTS);
    }

    private static void diamond(final StreamsBuilder builder) {
        final KStream<String, Long> longs = builder.stream(in("longs"), LONGS);
        final KStream<String, Long> doubled = longs.mapValues((key, number) -> number == null ? null : number * 2);
        final KStream<String, Long> large = longs.filter((key, number) -> isLarge(number));
        doubled.merge(large).to(out("out"), TO_LONGS);
        longs.to(out("out"), TO_LONGS);
    }

    private static void sameTopicTwice(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS).mapValues((key, text) -> upper(text)).to(out("upper"), TO_TEXTS);
        builder.stream(in("texts"), TEXTS).flatMapValues((key, text) -> words(text)).to(out("words"), TO_TEXTS);
    }

    private static void wordCount(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with(S, S))
            .count(kept("counts", L))
            .toStream()
            .to(out("counted"), TO_LONGS);
    }

    private static void countNumbered(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS).groupByKey().count().toStream().to(out("counted"), TO_LONGS);
    }

    private static void countMaterialized(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with(S, S))
            .count(Materialized.with(S, L))
            .toStream()
            .to(out("counted"), TO_LONGS);
    }

    private static void reduce(final StreamsBuilder builder) {
        builder.stream(in("longs"), LONGS).groupByKey().reduce(Long::sum, kept("totals", L)).toStream().to(out("totals"), TO_LONGS);
    }

    private static void aggregateRekeyed(final StreamsBuilder builder) {
        builder.stream(in("longs"), LONGS)
            .filter((key, number) -> number != null)
            .selectKey((key, number) -> number % 2 == 0 ? "even" : "odd")
            .groupByKey(Grouped.with(S, L))
            .aggregate(() -> "", (key, number, all) -> all.length() > 20 ? "" + number : all + "," + number, kept("lists", S))
            .toStream()
            .to(out("lists"), TO_TEXTS);
    }

    private static void groupingShared(final StreamsBuilder builder) {
        final KGroupedStream<String, Long> grouped = builder.stream(in("longs"), LONGS)
            .filter((key, number) -> number != null)
            .groupBy((key, number) -> "k" + number % 3, Grouped.with("thirds", S, L));
        grouped.count(kept("counts", L)).toStream().to(out("counts"), TO_LONGS);
        grouped.reduce(Math::max, kept("largest", L)).toStream().to(out("largest"), TO_LONGS);
    }

    private static void groupingUnnamedTwice(final StreamsBuilder builder) {
        final KGroupedStream<String, Long> grouped = builder.stream(in("longs"), LONGS)
            .filter((key, number) -> number != null)
            .groupBy((key, number) -> "k" + number % 3, Grouped.with(S, L));
        grouped.count().toStream().to(out("counts"), TO_LONGS);
        grouped.reduce(Math::max).toStream().to(out("largest"), TO_LONGS);
    }

    private static void tumblingCount(final StreamsBuilder builder) {
        final TimeWindowedKStream<String, String> windows = builder.stream(in("texts"), TEXTS).groupByKey().windowedBy(tumbling());
        windows.count(keptWindows("per-window", L)).toStream().to(out("counted"), windowed(10_000, L));
    }

    private static void tumblingNumbered(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS).groupByKey().windowedBy(tumbling()).count()
            .toStream((windowed, count) -> windowed.key() + "@" + windowed.window().start())
            .to(out("counted"), TO_LONGS);
    }

    private static void hoppingAggregate(final StreamsBuilder builder) {
        builder.stream(in("longs"), LONGS)
            .filter((key, number) -> number != null)
            .groupByKey()
            .windowedBy(hopping())
            .aggregate(() -> 0L, (key, number, sum) -> sum + number, keptWindows("sums", L))
            .toStream()
            .to(out("sums"), windowed(12_000, L));
    }

    private static void hoppingReduceRekeyed(final StreamsBuilder builder) {
        builder.stream(in("longs"), LONGS)
            .filter((key, number) -> number != null)
            .groupBy((key, number) -> "k" + number % 4, Grouped.with(S, L))
            .windowedBy(hopping())
            .reduce(Math::min, Materialized.<String, Long, WindowStore<Bytes, byte[]>>with(S, L).withRetention(Duration.ofMinutes(1)))
            .toStream()
            .to(out("least"), windowed(12_000, L));
    }

    private static void table(final StreamsBuilder builder) {
        builder.table(in("names"), TEXTS, kept("names", S)).toStream().to(out("out"), TO_TEXTS);
    }

    private static void tableNotKept(final StreamsBuilder builder) {
        builder.table(in("names"), TEXTS).toStream().to(out("out"), TO_TEXTS);
    }

    private static void tableOperators(final StreamsBuilder builder) {
        final KTable<String, Long> balances = builder.table(in("balances"), LONGS, kept("balances", L));
        balances.filter((key, cents) -> cents > 50).toStream().to(out("large"), TO_LONGS);
        balances.filterNot((key, cents) -> cents > 50).mapValues((key, cents) -> "c" + cents).toStream().to(out("texts-out"), TO_TEXTS);
    }

    private static void tableOperatorsKept(final StreamsBuilder builder) {
        builder.table(in("balances"), LONGS)
            .filter((key, cents) -> cents > 20, kept("above-20", L))
            .filterNot((key, cents) -> cents > 80, Materialized.with(S, L))
            .mapValues((key, cents) -> "c" + cents, kept("as-text", S))
            .mapValues((key, text) -> text + "!", Materialized.with(S, S))
            .toStream()
            .to(out("out"), TO_TEXTS);
    }

    private static void join(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table(in("names"), TEXTS);
        builder.stream(in("longs"), LONGS).join(names, (number, name) -> name + ":" + number).to(out("out"), TO_TEXTS);
    }

    private static void leftJoin(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table(in("names"), TEXTS, kept("names", S));
        builder.stream(in("longs"), LONGS).leftJoin(names, (number, name) -> name + ":" + number).to(out("out"), TO_TEXTS);
    }

    private static void leftJoinRekeyed(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table(in("names"), TEXTS);
        builder.stream(in("longs"), LONGS)
            .filter((key, number) -> number != null)
            .map((key, number) -> KeyValue.pair(key, number + 1))
            .leftJoin(names, (number, name) -> name + ":" + number, Joined.with(S, L, S))
            .to(out("out"), TO_TEXTS);
    }

    private static void joinRekeyedTwice(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table(in("names"), TEXTS);
        final KTable<String, Long> balances = builder.table(in("balances"), LONGS);
        final KStream<String, Long> rekeyed = builder.stream(in("longs"), LONGS)
            .filter((key, number) -> key != null && number != null)
            .map((key, number) -> KeyValue.pair(key, number + 1));
        rekeyed.join(names, (number, name) -> name + ":" + number, Joined.with(S, L, S)).to(out("with-names"), TO_TEXTS);
        rekeyed.join(balances, (number, cents) -> cents + ":" + number, Joined.with(S, L, L)).to(out("with-balances"), TO_TEXTS);
    }

    private static void joinNamed(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table(in("names"), TEXTS);
        builder.stream(in("longs"), LONGS)
            .filter((key, number) -> key != null && number != null)
            .map((key, number) -> KeyValue.pair(key, number + 1))
            .join(names, (number, name) -> name + ":" + number, Joined.with(S, L, S, "with-names"))
            .to(out("out"), TO_TEXTS);
    }

    private static void joinWithView(final StreamsBuilder builder) {
        final KTable<String, String> view = builder.table(in("balances"), LONGS)
            .filter((key, cents) -> cents > 40)
            .mapValues((key, cents) -> "c" + cents);
        builder.stream(in("longs"), LONGS).join(view, (number, text) -> text + ":" + number).to(out("out"), TO_TEXTS);
    }

    private static void joinWithOwnCounts(final StreamsBuilder builder) {
        final KStream<String, String> texts = builder.stream(in("texts"), TEXTS);
        final KTable<String, Long> counts = texts.groupByKey().count(kept("counts", L));
        texts.join(counts, (text, count) -> text + "#" + count).to(out("out"), TO_TEXTS);
    }

    private static void repartition(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .repartition(Repartitioned.<String, String>as("wide").withKeySerde(S).withValueSerde(S).withNumberOfPartitions(3))
            .to(out("out"), TO_TEXTS);
    }

    private static void repartitionNumbered(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .flatMap((key, text) -> words(text).stream().map(word -> KeyValue.pair(word, text)).toList())
            .repartition(Repartitioned.with(S, S))
            .groupByKey()
            .count()
            .toStream()
            .to(out("counted"), TO_LONGS);
    }

    private static void named(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table(in("names"), Consumed.with(S, S).withName("read-names"), kept("names", S));
        builder.stream(in("texts"), Consumed.with(S, S).withName("read-texts"))
            .filter((key, text) -> text != null, Named.as("with-text"))
            .mapValues((key, text) -> upper(text), Named.as("upper"))
            .join(names, (text, name) -> text + "/" + name, Joined.with(S, S, S, "add-name"))
            .groupBy((key, text) -> text, Grouped.with("by-text", S, S))
            .count(Named.as("count-texts"), kept("counts", L))
            .toStream(Named.as("counts-as-stream"))
            .to(out("counted"), Produced.with(S, L).withName("write-counts"));
    }

    private static void twoPipelines(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with(S, S))
            .count()
            .toStream()
            .to(out("counted"), TO_LONGS);
        builder.stream(in("longs"), LONGS).groupByKey().reduce(Long::sum).toStream().to(out("totals"), TO_LONGS);
    }

    private static void chainOfCounts(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with("by-word", S, S))
            .count(kept("per-word", L))
            .toStream()
            .groupBy((word, count) -> "n" + count, Grouped.with("by-count", S, L))
            .count(kept("per-count", L))
            .toStream()
            .to(out("counted"), TO_LONGS);
    }

    private static void windowedRekeyed(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with("by-word", S, S))
            .windowedBy(tumbling())
            .count(keptWindows("per-window", L))
            .toStream()
            .map((windowed, count) -> KeyValue.pair(windowed.key(), windowed.window().start() + ":" + count))
            .to(out("out"), TO_TEXTS);
    }

    private static void filteredCounts(final StreamsBuilder builder) {
        builder.stream(in("texts"), TEXTS).groupByKey().count(kept("counts", L))
            .filterNot((key, count) -> count > 2 && count < 5)
            .toStream()
            .to(out("counted"), TO_LONGS);
    }

    private static void filteredWindows(final StreamsBuilder builder) {
        builder.stream(in("longs"), LONGS)
            .filter((key, number) -> number != null)
            .groupByKey()
            .windowedBy(hopping())
            .aggregate(() -> 0L, (key, number, sum) -> sum + number, keptWindows("sums", L))
            .filter((windowed, sum) -> sum > 100)
            .mapValues((windowed, sum) -> sum * 2)
            .toStream()
            .to(out("sums"), windowed(12_000, L));
    }

    private static void wide(final StreamsBuilder builder) {
        final KStream<String, Long> longs = builder.stream(in("longs"), LONGS);
        longs.filter((key, number) -> isLarge(number)).mapValues((key, number) -> number + 1).to(out("a"), TO_LONGS);
        longs.filterNot((key, number) -> isLarge(number)).to(out("b"), TO_LONGS);
        longs.peek((key, number) -> { }).filter((key, number) -> isLarge(number)).filter((key, number) -> true).to(out("c"), TO_LONGS);
        longs.groupByKey().count().toStream().to(out("d"), TO_LONGS);
        longs.foreach((key, number) -> { });
        longs.mapValues((key, number) -> number == null ? null : "t" + number).to(out("e"), TO_TEXTS);
    }
}
