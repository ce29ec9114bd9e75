#!/usr/bin/env python3
"""confluent-kafka (librdkafka) as one of the foreign clients; README.md beside it says what the commands do."""
import base64
import queue
import sys
import threading

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

TIMEOUT_S = 60


def encode(data):
    if data is None:
        return "-"
    if isinstance(data, str):
        data = data.encode()
    return base64.b64encode(data).decode()


def decode(text):
    return None if text == "-" else base64.b64decode(text)


def produce(bootstrap, topic, codec):
    acknowledged = []

    def delivered(error, message):
        if error:
            raise SystemExit(f"not delivered: {error}")
        acknowledged.append((message.partition(), message.offset()))

    producer = Producer({"bootstrap.servers": bootstrap, "compression.codec": codec, "linger.ms": 100, "enable.idempotence": True})
    for line in sys.stdin:
        partition, timestamp, key, value, *headers = line.rstrip("\n").split("\t")
        pairs = [header.split(":") for header in headers]
        producer.produce(
            topic, partition=int(partition), timestamp=int(timestamp), key=decode(key), value=decode(value),
            headers=[(decode(name).decode(), decode(content)) for name, content in pairs], on_delivery=delivered,
        )
        producer.poll(0)
    if producer.flush(TIMEOUT_S):
        raise SystemExit("records were left in the queue")
    for partition, offset in acknowledged:
        print(partition, offset, sep="\t")


def partitions_of(client, topic):
    found = client.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if found.error:
        raise SystemExit(str(found.error))
    return sorted(found.partitions)


def reader(bootstrap):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": "interop", "enable.auto.commit": False, "check.crcs": True})


def consume(bootstrap, topic, count):
    consumer = reader(bootstrap)
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions_of(consumer, topic)])
    for _ in range(int(count)):
        message = consumer.poll(TIMEOUT_S)
        if message is None:
            raise SystemExit("no further record came")
        if message.error():
            raise SystemExit(str(message.error()))
        headers = [f"{encode(name)}:{encode(value)}" for name, value in message.headers() or []]
        _, timestamp = message.timestamp()
        print(message.partition(), message.offset(), timestamp, encode(message.key()), encode(message.value()), *headers, sep="\t")
    consumer.close()


def list_topics(bootstrap):
    for name, topic in AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=TIMEOUT_S).topics.items():
        print(name, len(topic.partitions), sep="\t")


def offsets(bootstrap, topic, timestamp):
    consumer = reader(bootstrap)
    for partition in partitions_of(consumer, topic):
        start, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_S)
        at_time = consumer.offsets_for_times([TopicPartition(topic, partition, int(timestamp))], timeout=TIMEOUT_S)[0].offset
        # librdkafka gives its own constant for the end when no record is that young.
        print(partition, start, end, at_time if at_time >= 0 else -1, sep="\t")
    consumer.close()


def member(bootstrap, group, topic, assignor):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "partition.assignment.strategy": assignor,
        "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "auto.offset.reset": "earliest", "enable.auto.commit": False,
    })
    commands = queue.Queue()
    threading.Thread(target=lambda: [commands.put(line.strip()) for line in sys.stdin], daemon=True).start()
    consumer.subscribe([topic])
    owned = None
    while True:
        message = consumer.poll(0.1)
        now = sorted(partition.partition for partition in consumer.assignment())
        if now != owned:
            owned = now
            print("owns", *owned, flush=True)
        if message is not None and not message.error():
            print("read", message.partition(), message.offset(), flush=True)
        command = None if commands.empty() else commands.get()
        if command == "commit":
            try:
                consumer.commit(asynchronous=False)
            except KafkaException as error:
                # librdkafka has nothing to commit where it has read nothing.
                if error.args[0].code() != KafkaError._NO_OFFSET:
                    raise
            print("committed", flush=True)
        elif command == "leave":
            consumer.close()
            print("left", flush=True)
            return


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"produce": produce, "consume": consume, "list": list_topics, "offsets": offsets, "member": member}[command](*arguments)
