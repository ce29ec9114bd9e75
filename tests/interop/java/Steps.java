import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Goes through the calls of Java's group consumer and admin client, prints PASS or FAIL for each step, and counts them. */
public final class Steps {
    private static final Duration TIMEOUT = Duration.ofSeconds(40);
    private static final String TOPIC = "steps";
    private static final int RECORDS = 30;
    private static final String CLASSES = "org.apache.kafka.clients.consumer.";

    private static String bootstrap;
    private static Admin admin;
    private static int steps;

    /** What a step does; it fails by throwing. */
    private interface Body {
        void run() throws Exception;
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        topics();
        oneMember();
        twoMembers("range", CLASSES + "RangeAssignor");
        twoMembers("roundrobin", CLASSES + "RoundRobinAssignor");
        twoMembers("sticky", CLASSES + "StickyAssignor");
        twoMembers("cooperative-sticky", CLASSES + "CooperativeStickyAssignor");
        grownTopic();
        staticMembers();
        offsets();
        groups();
        configs();
        deletions();
        admin.close(Duration.ofSeconds(5));
        System.out.println(steps + " steps");
    }

    private static void topics() {
        step("createTopics makes topics", () ->
            admin.createTopics(List.of(new NewTopic(TOPIC, 4, (short) 1), new NewTopic("steps-grown", 1, (short) 1))).all().get());
        step("createTopics refuses a topic that exists", () ->
            fails(TopicExistsException.class, () -> admin.createTopics(List.of(new NewTopic(TOPIC, 4, (short) 1))).all().get()));
        step("listTopics lists them", () -> check(admin.listTopics().names().get().containsAll(Set.of(TOPIC, "steps-grown"))));
        step("describeTopics counts partitions", () ->
            equal(4, admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().size()));
        step("describeTopics does not know an unknown topic", () ->
            fails(UnknownTopicOrPartitionException.class, () -> admin.describeTopics(List.of("nowhere")).allTopicNames().get()));
        step("describeCluster has a controller and an id", () -> {
            var cluster = admin.describeCluster();
            check(!cluster.nodes().get().isEmpty() && cluster.controller().get() != null && !cluster.clusterId().get().isEmpty());
        });
        step("a producer writes", () -> produce(TOPIC, 4, RECORDS));
        step("listOffsets gives the ends", () -> {
            var ends = admin.listOffsets(Map.of(at(0), OffsetSpec.latest(), at(3), OffsetSpec.latest())).all().get();
            equal(RECORDS, (int) ends.get(at(0)).offset());
            equal(RECORDS, (int) ends.get(at(3)).offset());
        });
    }

    private static void oneMember() {
        var consumer = consumer("steps-one", CLASSES + "RangeAssignor");
        List<ConsumerRecord<String, String>> read = new ArrayList<>();
        consumer.subscribe(List.of(TOPIC));
        step("a member joins and gets everything", () -> until(() -> consumer.assignment().size() == 4, () -> poll(consumer, read)));
        step("it reads everything once and in order", () -> {
            until(() -> read.size() >= 4 * RECORDS, () -> poll(consumer, read));
            for (int partition = 0; partition < 4; partition++) {
                int wanted = partition;
                var offsets = read.stream().filter(record -> record.partition() == wanted).map(ConsumerRecord::offset).toList();
                equal(RECORDS, offsets.size());
                equal(RECORDS - 1L, offsets.get(RECORDS - 1));
            }
        });
        step("groupMetadata has generation and member id", () ->
            check(consumer.groupMetadata().generationId() >= 1 && !consumer.groupMetadata().memberId().isEmpty()));
        step("commitSync commits the positions", () -> consumer.commitSync(TIMEOUT));
        step("committed gives them back", () ->
            equal((long) RECORDS, consumer.committed(Set.of(at(2)), TIMEOUT).get(at(2)).offset()));
        step("commitSync keeps metadata and leader epoch", () -> {
            consumer.commitSync(Map.of(at(1), new OffsetAndMetadata(7, Optional.of(0), "why")), TIMEOUT);
            equal(new OffsetAndMetadata(7, Optional.of(0), "why"), consumer.committed(Set.of(at(1)), TIMEOUT).get(at(1)));
        });
        step("commitAsync calls back", () -> {
            List<Object> heard = new ArrayList<>();
            consumer.commitAsync(Map.of(at(0), new OffsetAndMetadata(11)), (offsets, error) -> heard.add(error == null ? offsets : error));
            until(() -> !heard.isEmpty(), () -> poll(consumer, read));
            equal(Map.of(at(0), new OffsetAndMetadata(11)), heard.get(0));
        });
        step("a seek goes back", () -> {
            consumer.seek(at(3), 5);
            read.clear();
            until(() -> !read.isEmpty(), () -> poll(consumer, read));
            equal(5L, read.get(0).offset());
        });
        step("enforceRebalance makes the group rebalance", () -> {
            int generation = consumer.groupMetadata().generationId();
            consumer.enforceRebalance("steps");
            until(() -> consumer.groupMetadata().generationId() > generation && consumer.assignment().size() == 4, () -> poll(consumer, read));
        });
        step("close leaves the group", () -> {
            consumer.close();
            equal(GroupState.EMPTY, describe("steps-one").groupState());
        });
        step("the next member goes on from the commits", () -> {
            List<ConsumerRecord<String, String>> again = new ArrayList<>();
            try (var next = consumer("steps-one", CLASSES + "RangeAssignor")) {
                next.subscribe(List.of(TOPIC));
                until(() -> again.size() >= (RECORDS - 11) + (RECORDS - 7), () -> poll(next, again));
                equal(11L, again.stream().filter(record -> record.partition() == 0).findFirst().orElseThrow().offset());
                equal(7L, again.stream().filter(record -> record.partition() == 1).findFirst().orElseThrow().offset());
                check(again.stream().noneMatch(record -> record.partition() == 2));
            }
        });
    }

    private static void twoMembers(String name, String assignor) {
        String group = "steps-" + name;
        var first = consumer(group, assignor);
        var second = consumer(group, assignor);
        Set<TopicPartition> revoked = new HashSet<>();
        step(name + ": a first member gets everything", () -> {
            first.subscribe(List.of(TOPIC), new ConsumerRebalanceListener() {
                @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) { }
                @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { revoked.addAll(partitions); }
            });
            until(() -> first.assignment().size() == 4, () -> poll(first, null));
        });
        step(name + ": a second one gets half", () -> {
            second.subscribe(List.of(TOPIC));
            until(() -> first.assignment().size() == 2 && second.assignment().size() == 2, () -> { poll(first, null); poll(second, null); });
            check(first.assignment().stream().noneMatch(second.assignment()::contains));
            equal(name.equals("cooperative-sticky") ? 2 : 4, revoked.size());
        });
        step(name + ": describeConsumerGroups knows both", () -> {
            var found = describe(group);
            equal(GroupState.STABLE, found.groupState());
            equal(name, found.partitionAssignor());
            equal(2, found.members().size());
            var described = found.members().stream().flatMap(member -> member.assignment().topicPartitions().stream());
            equal(Set.of(at(0), at(1), at(2), at(3)), described.collect(Collectors.toSet()));
        });
        step(name + ": who stays gets everything back", () -> {
            second.close();
            until(() -> first.assignment().size() == 4, () -> poll(first, null));
            first.close();
        });
    }

    private static void grownTopic() {
        step("createPartitions grows a topic, and its group sees them", () -> {
            try (var consumer = consumer("steps-grown", CLASSES + "CooperativeStickyAssignor")) {
                consumer.subscribe(List.of("steps-grown"));
                until(() -> consumer.assignment().size() == 1, () -> poll(consumer, null));
                admin.createPartitions(Map.of("steps-grown", NewPartitions.increaseTo(3))).all().get();
                until(() -> consumer.assignment().size() == 3, () -> poll(consumer, null));
            }
        });
        step("a pattern finds topics", () -> {
            try (var consumer = consumer("steps-pattern", CLASSES + "RangeAssignor")) {
                consumer.subscribe(java.util.regex.Pattern.compile("steps(-grown)?"));
                until(() -> consumer.assignment().size() == 7, () -> poll(consumer, null));
            }
        });
    }

    private static void staticMembers() {
        var first = consumer("steps-static", CLASSES + "RangeAssignor", "group.instance.id", "one");
        step("a static member joins", () -> {
            first.subscribe(List.of(TOPIC));
            until(() -> first.assignment().size() == 4, () -> poll(first, null));
            equal(Optional.of("one"), describe("steps-static").members().iterator().next().groupInstanceId());
        });
        step("a static member that closes stays in the group, and comes back without a rebalance", () -> {
            int generation = first.groupMetadata().generationId();
            first.close();
            equal(1, describe("steps-static").members().size());
            try (var again = consumer("steps-static", CLASSES + "RangeAssignor", "group.instance.id", "one")) {
                again.subscribe(List.of(TOPIC));
                until(() -> again.assignment().size() == 4, () -> poll(again, null));
                equal(generation, again.groupMetadata().generationId());
            }
        });
        step("a twin fences the elder", () -> {
            var elder = consumer("steps-static", CLASSES + "RangeAssignor", "group.instance.id", "one");
            elder.subscribe(List.of(TOPIC));
            until(() -> elder.assignment().size() == 4, () -> poll(elder, null));
            var twin = consumer("steps-static", CLASSES + "RangeAssignor", "group.instance.id", "one");
            twin.subscribe(List.of(TOPIC));
            until(() -> twin.assignment().size() == 4, () -> poll(twin, null));
            fails(FencedInstanceIdException.class, () -> elder.commitSync(Map.of(at(0), new OffsetAndMetadata(1)), TIMEOUT));
            elder.close();
            twin.close();
        });
        step("removeMembersFromConsumerGroup removes a static member", () -> {
            var remove = new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")));
            admin.removeMembersFromConsumerGroup("steps-static", remove).all().get();
            equal(GroupState.EMPTY, describe("steps-static").groupState());
        });
        step("removing an unknown static member is refused", () -> {
            var remove = new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("nobody")));
            fails(UnknownMemberIdException.class, () -> admin.removeMembersFromConsumerGroup("steps-static", remove).all().get());
        });
        step("a static member can leave for good", () -> {
            var leaver = consumer("steps-leaver", CLASSES + "RangeAssignor", "group.instance.id", "two");
            leaver.subscribe(List.of(TOPIC));
            until(() -> leaver.assignment().size() == 4, () -> poll(leaver, null));
            leaver.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
            equal(0, describe("steps-leaver").members().size());
        });
        step("removeMembersFromConsumerGroup removes everybody", () -> {
            var member = consumer("steps-everybody", CLASSES + "RangeAssignor");
            member.subscribe(List.of(TOPIC));
            until(() -> member.assignment().size() == 4, () -> poll(member, null));
            admin.removeMembersFromConsumerGroup("steps-everybody", new RemoveMembersFromConsumerGroupOptions()).all().get();
            equal(0, describe("steps-everybody").members().size());
            member.close(CloseOptions.timeout(Duration.ofSeconds(5)));
        });
    }

    private static void offsets() {
        step("listConsumerGroupOffsets gives the commits", () -> {
            var found = admin.listConsumerGroupOffsets("steps-one").partitionsToOffsetAndMetadata().get();
            equal(11L, found.get(at(0)).offset());
            equal("why", found.get(at(1)).metadata());
        });
        step("alterConsumerGroupOffsets moves those of an empty group", () -> {
            admin.alterConsumerGroupOffsets("steps-one", Map.of(at(0), new OffsetAndMetadata(3, "moved"))).all().get();
            equal(3L, admin.listConsumerGroupOffsets("steps-one").partitionsToOffsetAndMetadata().get().get(at(0)).offset());
        });
        step("offsets of a group with members are left alone", () -> {
            try (var member = consumer("steps-busy", CLASSES + "RangeAssignor")) {
                member.subscribe(List.of(TOPIC));
                until(() -> member.assignment().size() == 4, () -> poll(member, null));
                var alter = Map.of(at(0), new OffsetAndMetadata(3));
                fails(UnknownMemberIdException.class, () -> admin.alterConsumerGroupOffsets("steps-busy", alter).all().get());
                fails(GroupSubscribedToTopicException.class, () -> admin.deleteConsumerGroupOffsets("steps-busy", Set.of(at(0))).all().get());
                fails(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of("steps-busy")).all().get());
            }
        });
        step("deleteConsumerGroupOffsets forgets a commit", () -> {
            admin.deleteConsumerGroupOffsets("steps-one", Set.of(at(0))).all().get();
            check(admin.listConsumerGroupOffsets("steps-one").partitionsToOffsetAndMetadata().get().get(at(0)) == null);
        });
        step("a consumer without a group's assignment commits by itself", () -> {
            try (var alone = consumer("steps-alone", CLASSES + "RangeAssignor")) {
                alone.assign(List.of(at(0)));
                alone.commitSync(Map.of(at(0), new OffsetAndMetadata(9)), TIMEOUT);
                equal(9L, alone.committed(Set.of(at(0)), TIMEOUT).get(at(0)).offset());
            }
        });
        step("automatic commits happen at close", () -> {
            List<ConsumerRecord<String, String>> read = new ArrayList<>();
            var consumer = consumer("steps-auto", CLASSES + "RangeAssignor", "enable.auto.commit", "true");
            consumer.subscribe(List.of(TOPIC));
            until(() -> read.size() >= 4 * RECORDS, () -> poll(consumer, read));
            consumer.close();
            var found = admin.listConsumerGroupOffsets("steps-auto").partitionsToOffsetAndMetadata().get();
            equal(Set.of((long) RECORDS), found.values().stream().map(OffsetAndMetadata::offset).collect(Collectors.toSet()));
            equal(4, found.size());
        });
    }

    private static void groups() {
        step("listGroups lists them with type and state", () -> {
            var found = admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get();
            var one = found.stream().filter(group -> group.groupId().equals("steps-one")).findFirst().orElseThrow();
            equal(Optional.of(GroupState.EMPTY), one.groupState());
            equal("consumer", one.protocol());
        });
        step("listGroups filters by state", () -> {
            var stable = new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE));
            check(admin.listGroups(stable).all().get().stream().noneMatch(group -> group.groupId().equals("steps-one")));
        });
        step("describeConsumerGroups does not know an unknown group", () ->
            fails(GroupIdNotFoundException.class, () -> describe("steps-nowhere")));
        step("deleteConsumerGroups deletes an empty group", () -> {
            admin.deleteConsumerGroups(List.of("steps-one")).all().get();
            check(admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get().stream().noneMatch(group -> group.groupId().equals("steps-one")));
        });
        step("deleteConsumerGroups does not know an unknown group", () ->
            fails(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of("steps-nowhere")).all().get()));
    }

    private static void configs() {
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
        step("incrementalAlterConfigs sets, and describeConfigs shows it", () -> {
            alter(topic, "retention.ms", "86400000", AlterConfigOp.OpType.SET);
            var entry = admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms");
            equal("86400000", entry.value());
            equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, entry.source());
        });
        step("incrementalAlterConfigs deletes back to the default", () -> {
            alter(topic, "retention.ms", "", AlterConfigOp.OpType.DELETE);
            var entry = admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms");
            check(entry.source() != ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG && !entry.value().equals("86400000"));
        });
        step("incrementalAlterConfigs refuses what is no value", () ->
            fails(InvalidConfigurationException.class, () -> alter(topic, "cleanup.policy", "burn", AlterConfigOp.OpType.SET)));
        step("describeConfigs shows a broker's", () -> {
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            var broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(node));
            check(admin.describeConfigs(List.of(broker)).all().get().get(broker).get("log.retention.hours") != null
                || admin.describeConfigs(List.of(broker)).all().get().get(broker).entries().size() > 10);
        });
    }

    private static void alter(ConfigResource resource, String name, String value, AlterConfigOp.OpType type) throws Exception {
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), type)))).all().get();
    }

    private static void deletions() {
        step("deleteRecords moves the start", () -> {
            var deleted = admin.deleteRecords(Map.of(at(0), RecordsToDelete.beforeOffset(10))).lowWatermarks().get(at(0)).get();
            equal(10L, deleted.lowWatermark());
            equal(10L, admin.listOffsets(Map.of(at(0), OffsetSpec.earliest())).partitionResult(at(0)).get().offset());
        });
        step("deleteTopics deletes", () -> {
            admin.deleteTopics(List.of("steps-grown")).all().get();
            long deadline = System.nanoTime() + TIMEOUT.toNanos();
            while (admin.listTopics().names().get().contains("steps-grown")) {
                check(System.nanoTime() < deadline);
            }
        });
    }

    private static void step(String name, Body body) {
        steps++;
        try {
            body.run();
            System.out.println("PASS " + name);
        } catch (Throwable error) {
            var at = Arrays.stream(error.getStackTrace()).filter(frame -> frame.getClassName().startsWith("Steps")).findFirst();
            String line = at.map(frame -> " (line " + frame.getLineNumber() + ")").orElse("");
            System.out.println("FAIL " + name.replace(": ", " ") + ": " + String.valueOf(error).replace('\n', ' ') + line);
        }
        System.out.flush();
    }

    private static void check(boolean holds) {
        if (!holds) {
            throw new AssertionError("it does not hold");
        }
    }

    private static void equal(Object expected, Object found) {
        if (!Objects.equals(expected, found)) {
            throw new AssertionError(found + " instead of " + expected);
        }
    }

    private static void fails(Class<? extends Throwable> expected, Body body) {
        try {
            body.run();
        } catch (Throwable error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            if (expected.isInstance(cause)) {
                return;
            }
            throw new AssertionError("it failed with " + cause + " instead of " + expected.getSimpleName());
        }
        throw new AssertionError("it did not fail");
    }

    private static void until(BooleanSupplier done, Runnable meanwhile) {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (!done.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("it does not come about");
            }
            meanwhile.run();
        }
    }

    private static void poll(KafkaConsumer<String, String> consumer, List<ConsumerRecord<String, String>> read) {
        for (var record : consumer.poll(Duration.ofMillis(50))) {
            if (read != null) {
                read.add(record);
            }
        }
    }

    private static ConsumerGroupDescription describe(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private static TopicPartition at(int partition) {
        return new TopicPartition(TOPIC, partition);
    }

    private static void produce(String topic, int partitions, int records) throws Exception {
        var settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int record = 0; record < records; record++) {
                for (int partition = 0; partition < partitions; partition++) {
                    producer.send(new ProducerRecord<>(topic, partition, null, "record " + record));
                }
            }
            producer.flush();
        }
    }

    private static KafkaConsumer<String, String> consumer(String group, String assignor, String... more) {
        var settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("group.protocol", "classic");
        settings.put("partition.assignment.strategy", assignor);
        settings.put("session.timeout.ms", "10000");
        settings.put("heartbeat.interval.ms", "300");
        settings.put("metadata.max.age.ms", "1000");
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        for (int i = 0; i < more.length; i += 2) {
            settings.put(more[i], more[i + 1]);
        }
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }
}
