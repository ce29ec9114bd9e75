#!/usr/bin/env python3
"""A member of a group by aiokafka; README.md beside it says what it hears and says."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


async def commands_of(stream):
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream)
    return reader


async def member(bootstrap, group, topic, assignor):
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, partition_assignment_strategy=[ASSIGNORS[assignor]],
        session_timeout_ms=6000, heartbeat_interval_ms=500, auto_offset_reset="earliest", enable_auto_commit=False,
    )
    await consumer.start()
    reader = await commands_of(sys.stdin)
    command = asyncio.create_task(reader.readline())
    owned = None
    while True:
        batches = await consumer.getmany(timeout_ms=100)
        now = sorted(partition.partition for partition in consumer.assignment())
        if now != owned:
            owned = now
            print("owns", *owned, flush=True)
        for partition, messages in batches.items():
            for message in messages:
                print("read", partition.partition, message.offset, flush=True)
        if not command.done():
            continue
        word = command.result().decode().strip()
        command = asyncio.create_task(reader.readline())
        if word == "commit":
            await consumer.commit()
            print("committed", flush=True)
        elif word == "leave":
            await consumer.stop()
            print("left", flush=True)
            command.cancel()
            return


if __name__ == "__main__":
    asyncio.run(member(*sys.argv[2:]))
