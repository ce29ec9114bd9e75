"""Where librdkafka puts keys: prints producer/tests/golden/librdkafka-partitions.tsv.

It needs kcat and the mock, whose topics say how many partitions they have:

    courant-broker-mock --topic p1:1 --topic p2:2 --topic p3:3 --topic p7:7 --topic p12:12 --topic p100:100 --topic p1024:1024 &
    python3 tests/interop/partitions.py 127.0.0.1:9092 > producer/tests/golden/librdkafka-partitions.tsv

A key is asked for with every partitioner that always puts it in one place; kcat reads back where it went.
"""
import subprocess
import sys

COUNTS = [1, 2, 3, 7, 12, 100, 1024]
# Those of the family `…_random` differ from these in records without a key only.
PARTITIONERS = ["consistent", "murmur2", "fnv1a"]


def keys():
    """Keys of all lengths up to 64 bytes, with bytes of all kinds; kcat takes what is UTF-8 without line ends."""
    yield from ["", "a", "kafka", "giberish123456789", "hejsan", "zürich", "日本", "🚀"]
    for n in range(192):
        letters = "".join(chr(0x21 + (n * 31 + i * 17) % 0x5D) for i in range(1 + n % 64))
        yield f"{letters}é" if n % 5 == 0 else letters


def kcat(*arguments, stdin=""):
    command = ["kcat", "-q", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout


def main():
    bootstrap = sys.argv[1]
    wanted = list(dict.fromkeys(keys()))
    found = {}
    for count in COUNTS:
        topic = f"p{count}"
        for partitioner in PARTITIONERS:
            # Each run marks its records, so that one topic serves all.
            lines = "".join(f"{key}\t{partitioner}\n" for key in wanted)
            kcat("-P", "-b", bootstrap, "-t", topic, "-K", "\t", "-X", f"partitioner={partitioner}", stdin=lines)
        read = kcat("-C", "-b", bootstrap, "-t", topic, "-o", "beginning", "-e", "-f", "%k\\t%s\\t%p\\n")
        for line in read.splitlines():
            key, partitioner, partition = line.split("\t")
            found[(partitioner, key, count)] = int(partition)
    version = kcat("-V").split("librdkafka ")[1].split()[0]
    print(f"# Where librdkafka {version} puts keys, made by tests/interop/partitions.py: partitioner, key in hex, partition")
    print("# among " + ", ".join(str(count) for count in COUNTS))
    for partitioner in PARTITIONERS:
        for key in wanted:
            partitions = "\t".join(str(found[(partitioner, key, count)]) for count in COUNTS)
            print(f"{partitioner}\t{key.encode().hex()}\t{partitions}")


if __name__ == "__main__":
    main()
