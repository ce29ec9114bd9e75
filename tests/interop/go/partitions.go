// Where Go clients put keys: prints producer/tests/golden/sarama-partitions.tsv.
//
//	cd tests/interop/go && go run . > ../../../producer/tests/golden/sarama-partitions.tsv
package main

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

var counts = []int32{1, 2, 3, 7, 12, 100, 1024}

// Keys of all lengths up to 64 bytes and all bytes, and those of librdkafka's own test. The FNV-1a of the fourth is
// 0x80000000, the number without a positive twin.
func keys() [][]byte {
	keys := [][]byte{{}, []byte("kafka"), []byte("giberish123456789"), {0xf5, 0x34, 0x17, 0x7a, 0x01}}
	for n := 0; n < 256; n++ {
		key := make([]byte, 1+n%64)
		for i := range key {
			key[i] = byte(n*31 + i*17)
		}
		keys = append(keys, key)
	}
	return keys
}

func fnv1a(key []byte) uint32 {
	hash := fnv.New32a()
	hash.Write(key)
	return hash.Sum32()
}

func main() {
	fmt.Println("# Where Go clients put keys, made by tests/interop/go: partitioner, key in hex, partition")
	fmt.Println("# among 1, 2, 3, 7, 12, 100, 1024")
	ofSarama := func(p sarama.Partitioner) func([]byte, int32) int32 {
		return func(key []byte, count int32) int32 {
			partition, err := p.Partition(&sarama.ProducerMessage{Key: sarama.ByteEncoder(key)}, count)
			if err != nil {
				panic(err)
			}
			return partition
		}
	}
	ofFranz := func(key []byte, count int32) int32 { return int32(kgo.SaramaHasher(fnv1a)(key, int(count))) }
	ofFranzCompat := func(key []byte, count int32) int32 {
		return int32(kgo.SaramaCompatHasher(fnv1a)(key, int(count)))
	}
	ways := []struct {
		name  string
		place func([]byte, int32) int32
	}{
		{"sarama", ofSarama(sarama.NewHashPartitioner("t"))},
		{"sarama_compat", ofFranzCompat},
		{"sarama_reference", ofSarama(sarama.NewReferenceHashPartitioner("t"))},
		{"franz_go_sarama", ofFranz},
		{"consistent", ofSarama(sarama.NewConsistentCRCHashPartitioner("t"))},
	}
	for _, way := range ways {
		for _, key := range keys() {
			var partitions []string
			for _, count := range counts {
				partitions = append(partitions, fmt.Sprint(way.place(key, count)))
			}
			fmt.Printf("%s\t%s\t%s\n", way.name, hex.EncodeToString(key), strings.Join(partitions, "\t"))
		}
	}
}
