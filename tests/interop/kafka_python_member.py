#!/usr/bin/env python3
"""A member of a group by kafka-python; README.md beside it says what it hears and says."""
import queue
import sys
import threading

from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


def member(bootstrap, group, topic, assignor):
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap.split(","), group_id=group, partition_assignment_strategy=[ASSIGNORS[assignor]],
        session_timeout_ms=6000, heartbeat_interval_ms=500, auto_offset_reset="earliest", enable_auto_commit=False,
    )
    commands = queue.Queue()
    threading.Thread(target=lambda: [commands.put(line.strip()) for line in sys.stdin], daemon=True).start()
    owned = None
    while True:
        batches = consumer.poll(timeout_ms=100)
        now = sorted(partition.partition for partition in consumer.assignment())
        if now != owned:
            owned = now
            print("owns", *owned, flush=True)
        for partition, messages in batches.items():
            for message in messages:
                print("read", partition.partition, message.offset, flush=True)
        command = None if commands.empty() else commands.get()
        if command == "commit":
            consumer.commit()
            print("committed", flush=True)
        elif command == "leave":
            consumer.close()
            print("left", flush=True)
            return


if __name__ == "__main__":
    member(*sys.argv[2:])
