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
        builder.stream("texts", TEXTS)
            .filter((key, text) -> text != null && !text.startsWith("w1"))
            .filterNot((key, text) -> text != null && text.endsWith("w2"))
            .mapValues((key, text) -> upper(text))
            .peek((key, text) -> { })
            .flatMapValues((key, text) -> words(text))
            .to("out", TO_TEXTS);
    }

    private static void keyChanging(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .filter((key, text) -> text != null)
            .selectKey((key, text) -> key == null ? "none" : key + key)
            .map((key, text) -> KeyValue.pair(text, key))
            .flatMap((key, text) -> words(key).stream().map(word -> KeyValue.pair(word, text)).toList())
            .to("out", TO_TEXTS);
        builder.stream("texts", TEXTS).foreach((key, text) -> { });
    }

    private static void branches(final StreamsBuilder builder) {
        final Map<String, KStream<String, Long>> branches = builder.stream("longs", LONGS).split()
            .branch((key, number) -> number != null && number < 20)
            .branch((key, number) -> number != null && number < 60)
            .defaultBranch();
        branches.get("KSTREAM-BRANCH-00000000011").to("small", TO_LONGS);
        branches.get("KSTREAM-BRANCH-00000000012").to("middle", TO_LONGS);
        branches.get("KSTREAM-BRANCH-00000000010").to("others", TO_LONGS);
    }

    private static void branchesNamed(final StreamsBuilder builder) {
        final Map<String, KStream<String, Long>> branches = builder.stream("longs", LONGS).split(Named.as("by-size-"))
            .branch((key, number) -> number != null && number < 20, Branched.as("small"))
            .branch((key, number) -> number != null && number < 60)
            .noDefaultBranch();
        branches.get("by-size-small").to("small", TO_LONGS);
        branches.get("by-size-2").to("middle", TO_LONGS);
    }

    private static void merge(final StreamsBuilder builder) {
        final KStream<String, String> upper = builder.stream("texts", TEXTS).mapValues((key, text) -> upper(text));
        upper.merge(builder.stream("more", TEXTS)).to("out", TO_TEXTS);
    }

    private static void diamond(final StreamsBuilder builder) {
        final KStream<String, Long> longs = builder.stream("longs", LONGS);
        final KStream<String, Long> doubled = longs.mapValues((key, number) -> number == null ? null : number * 2);
        final KStream<String, Long> large = longs.filter((key, number) -> isLarge(number));
        doubled.merge(large).to("out", TO_LONGS);
        longs.to("out", TO_LONGS);
    }

    private static void sameTopicTwice(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS).mapValues((key, text) -> upper(text)).to("upper", TO_TEXTS);
        builder.stream("texts", TEXTS).flatMapValues((key, text) -> words(text)).to("words", TO_TEXTS);
    }

    private static void wordCount(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with(S, S))
            .count(kept("counts", L))
            .toStream()
            .to("counted", TO_LONGS);
    }

    private static void countNumbered(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS).groupByKey().count().toStream().to("counted", TO_LONGS);
    }

    private static void countMaterialized(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with(S, S))
            .count(Materialized.with(S, L))
            .toStream()
            .to("counted", TO_LONGS);
    }

    private static void reduce(final StreamsBuilder builder) {
        builder.stream("longs", LONGS).groupByKey().reduce(Long::sum, kept("totals", L)).toStream().to("totals", TO_LONGS);
    }

    private static void aggregateRekeyed(final StreamsBuilder builder) {
        builder.stream("longs", LONGS)
            .filter((key, number) -> number != null)
            .selectKey((key, number) -> number % 2 == 0 ? "even" : "odd")
            .groupByKey(Grouped.with(S, L))
            .aggregate(() -> "", (key, number, all) -> all.length() > 20 ? "" + number : all + "," + number, kept("lists", S))
            .toStream()
            .to("lists", TO_TEXTS);
    }

    private static void groupingShared(final StreamsBuilder builder) {
        final KGroupedStream<String, Long> grouped = builder.stream("longs", LONGS)
            .filter((key, number) -> number != null)
            .groupBy((key, number) -> "k" + number % 3, Grouped.with("thirds", S, L));
        grouped.count(kept("counts", L)).toStream().to("counts", TO_LONGS);
        grouped.reduce(Math::max, kept("largest", L)).toStream().to("largest", TO_LONGS);
    }

    private static void groupingUnnamedTwice(final StreamsBuilder builder) {
        final KGroupedStream<String, Long> grouped = builder.stream("longs", LONGS)
            .filter((key, number) -> number != null)
            .groupBy((key, number) -> "k" + number % 3, Grouped.with(S, L));
        grouped.count().toStream().to("counts", TO_LONGS);
        grouped.reduce(Math::max).toStream().to("largest", TO_LONGS);
    }

    private static void tumblingCount(final StreamsBuilder builder) {
        final TimeWindowedKStream<String, String> windows = builder.stream("texts", TEXTS).groupByKey().windowedBy(tumbling());
        windows.count(keptWindows("per-window", L)).toStream().to("counted", windowed(10_000, L));
    }

    private static void tumblingNumbered(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS).groupByKey().windowedBy(tumbling()).count()
            .toStream((windowed, count) -> windowed.key() + "@" + windowed.window().start())
            .to("counted", TO_LONGS);
    }

    private static void hoppingAggregate(final StreamsBuilder builder) {
        builder.stream("longs", LONGS)
            .filter((key, number) -> number != null)
            .groupByKey()
            .windowedBy(hopping())
            .aggregate(() -> 0L, (key, number, sum) -> sum + number, keptWindows("sums", L))
            .toStream()
            .to("sums", windowed(12_000, L));
    }

    private static void hoppingReduceRekeyed(final StreamsBuilder builder) {
        builder.stream("longs", LONGS)
            .filter((key, number) -> number != null)
            .groupBy((key, number) -> "k" + number % 4, Grouped.with(S, L))
            .windowedBy(hopping())
            .reduce(Math::min, Materialized.<String, Long, WindowStore<Bytes, byte[]>>with(S, L).withRetention(Duration.ofMinutes(1)))
            .toStream()
            .to("least", windowed(12_000, L));
    }

    private static void table(final StreamsBuilder builder) {
        builder.table("names", TEXTS, kept("names", S)).toStream().to("out", TO_TEXTS);
    }

    private static void tableNotKept(final StreamsBuilder builder) {
        builder.table("names", TEXTS).toStream().to("out", TO_TEXTS);
    }

    private static void tableOperators(final StreamsBuilder builder) {
        final KTable<String, Long> balances = builder.table("balances", LONGS, kept("balances", L));
        balances.filter((key, cents) -> cents > 50).toStream().to("large", TO_LONGS);
        balances.filterNot((key, cents) -> cents > 50).mapValues((key, cents) -> "c" + cents).toStream().to("texts-out", TO_TEXTS);
    }

    private static void tableOperatorsKept(final StreamsBuilder builder) {
        builder.table("balances", LONGS)
            .filter((key, cents) -> cents > 20, kept("above-20", L))
            .filterNot((key, cents) -> cents > 80, Materialized.with(S, L))
            .mapValues((key, cents) -> "c" + cents, kept("as-text", S))
            .mapValues((key, text) -> text + "!", Materialized.with(S, S))
            .toStream()
            .to("out", TO_TEXTS);
    }

    private static void join(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table("names", TEXTS);
        builder.stream("longs", LONGS).join(names, (number, name) -> name + ":" + number).to("out", TO_TEXTS);
    }

    private static void leftJoin(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table("names", TEXTS, kept("names", S));
        builder.stream("longs", LONGS).leftJoin(names, (number, name) -> name + ":" + number).to("out", TO_TEXTS);
    }

    private static void leftJoinRekeyed(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table("names", TEXTS);
        builder.stream("longs", LONGS)
            .filter((key, number) -> number != null)
            .map((key, number) -> KeyValue.pair(key, number + 1))
            .leftJoin(names, (number, name) -> name + ":" + number, Joined.with(S, L, S))
            .to("out", TO_TEXTS);
    }

    private static void joinRekeyedTwice(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table("names", TEXTS);
        final KTable<String, Long> balances = builder.table("balances", LONGS);
        final KStream<String, Long> rekeyed = builder.stream("longs", LONGS)
            .filter((key, number) -> key != null && number != null)
            .map((key, number) -> KeyValue.pair(key, number + 1));
        rekeyed.join(names, (number, name) -> name + ":" + number, Joined.with(S, L, S)).to("with-names", TO_TEXTS);
        rekeyed.join(balances, (number, cents) -> cents + ":" + number, Joined.with(S, L, L)).to("with-balances", TO_TEXTS);
    }

    private static void joinNamed(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table("names", TEXTS);
        builder.stream("longs", LONGS)
            .filter((key, number) -> key != null && number != null)
            .map((key, number) -> KeyValue.pair(key, number + 1))
            .join(names, (number, name) -> name + ":" + number, Joined.with(S, L, S, "with-names"))
            .to("out", TO_TEXTS);
    }

    private static void joinWithView(final StreamsBuilder builder) {
        final KTable<String, String> view = builder.table("balances", LONGS)
            .filter((key, cents) -> cents > 40)
            .mapValues((key, cents) -> "c" + cents);
        builder.stream("longs", LONGS).join(view, (number, text) -> text + ":" + number).to("out", TO_TEXTS);
    }

    private static void joinWithOwnCounts(final StreamsBuilder builder) {
        final KStream<String, String> texts = builder.stream("texts", TEXTS);
        final KTable<String, Long> counts = texts.groupByKey().count(kept("counts", L));
        texts.join(counts, (text, count) -> text + "#" + count).to("out", TO_TEXTS);
    }

    private static void repartition(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .repartition(Repartitioned.<String, String>as("wide").withKeySerde(S).withValueSerde(S).withNumberOfPartitions(3))
            .to("out", TO_TEXTS);
    }

    private static void repartitionNumbered(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .flatMap((key, text) -> words(text).stream().map(word -> KeyValue.pair(word, text)).toList())
            .repartition(Repartitioned.with(S, S))
            .groupByKey()
            .count()
            .toStream()
            .to("counted", TO_LONGS);
    }

    private static void named(final StreamsBuilder builder) {
        final KTable<String, String> names = builder.table("names", Consumed.with(S, S).withName("read-names"), kept("names", S));
        builder.stream("texts", Consumed.with(S, S).withName("read-texts"))
            .filter((key, text) -> text != null, Named.as("with-text"))
            .mapValues((key, text) -> upper(text), Named.as("upper"))
            .join(names, (text, name) -> text + "/" + name, Joined.with(S, S, S, "add-name"))
            .groupBy((key, text) -> text, Grouped.with("by-text", S, S))
            .count(Named.as("count-texts"), kept("counts", L))
            .toStream(Named.as("counts-as-stream"))
            .to("counted", Produced.with(S, L).withName("write-counts"));
    }

    private static void twoPipelines(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with(S, S))
            .count()
            .toStream()
            .to("counted", TO_LONGS);
        builder.stream("longs", LONGS).groupByKey().reduce(Long::sum).toStream().to("totals", TO_LONGS);
    }

    private static void chainOfCounts(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with("by-word", S, S))
            .count(kept("per-word", L))
            .toStream()
            .groupBy((word, count) -> "n" + count, Grouped.with("by-count", S, L))
            .count(kept("per-count", L))
            .toStream()
            .to("counted", TO_LONGS);
    }

    private static void windowedRekeyed(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS)
            .flatMapValues((key, text) -> words(text))
            .groupBy((key, word) -> word, Grouped.with("by-word", S, S))
            .windowedBy(tumbling())
            .count(keptWindows("per-window", L))
            .toStream()
            .map((windowed, count) -> KeyValue.pair(windowed.key(), windowed.window().start() + ":" + count))
            .to("out", TO_TEXTS);
    }

    private static void filteredCounts(final StreamsBuilder builder) {
        builder.stream("texts", TEXTS).groupByKey().count(kept("counts", L))
            .filterNot((key, count) -> count > 2 && count < 5)
            .toStream()
            .to("counted", TO_LONGS);
    }

    private static void filteredWindows(final StreamsBuilder builder) {
        builder.stream("longs", LONGS)
            .filter((key, number) -> number != null)
            .groupByKey()
            .windowedBy(hopping())
            .aggregate(() -> 0L, (key, number, sum) -> sum + number, keptWindows("sums", L))
            .filter((windowed, sum) -> sum > 100)
            .mapValues((windowed, sum) -> sum * 2)
            .toStream()
            .to("sums", windowed(12_000, L));
    }

    private static void wide(final StreamsBuilder builder) {
        final KStream<String, Long> longs = builder.stream("longs", LONGS);
        longs.filter((key, number) -> isLarge(number)).mapValues((key, number) -> number + 1).to("a", TO_LONGS);
        longs.filterNot((key, number) -> isLarge(number)).to("b", TO_LONGS);
        longs.peek((key, number) -> { }).filter((key, number) -> isLarge(number)).filter((key, number) -> true).to("c", TO_LONGS);
        longs.groupByKey().count().toStream().to("d", TO_LONGS);
        longs.foreach((key, number) -> { });
        longs.mapValues((key, number) -> number == null ? null : "t" + number).to("e", TO_TEXTS);
    }
}
