// The benchmark's driver for franz-go: the same options and the same row of CSV as the drivers in Rust.
// `--serve kfake` hosts franz-go's in-memory broker, `--serve kfake-blackhole` the same with produced records dropped.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	client       = flag.String("client", "franz-go", "franz-go (one callback for all) | franz-go-future (a channel per record)")
	op           = flag.String("op", "produce", "produce | consume | e2e")
	brokers      = flag.String("brokers", "127.0.0.1:9092", "")
	brokerKind   = flag.String("broker-kind", "null", "")
	brokerPid    = flag.Int("broker-pid", 0, "")
	topic        = flag.String("topic", "bench", "")
	partitions   = flag.Int("partitions", 6, "")
	records      = flag.Int("records", 2_000_000, "")
	warmup       = flag.Int("warmup", 200_000, "")
	valueSize    = flag.Int("value-size", 100, "")
	keySize      = flag.Int("key-size", 16, "")
	partitioning = flag.String("partitioning", "rr", "rr | key | sticky")
	compression  = flag.String("compression", "none", "none | lz4 | snappy | zstd | gzip")
	lingerMs     = flag.Int("linger-ms", -1, "tuned, 5 unless said otherwise")
	batchSize    = flag.Int("batch-size", 128*1024, "")
	bufferMemory = flag.Int("buffer-memory", 256<<20, "taken for the sake of the other drivers; franz-go counts records")
	window       = flag.Int("window", 100_000, "")
	rate         = flag.Int("rate", 200, "")
	maxWaitMs    = flag.Int("max-wait-ms", 500, "")
	maxPoll      = flag.Int("max-poll", 10_000, "0 = PollFetches, everything there is")
	defaults     = flag.Bool("defaults", false, "the client's own settings instead of the tuned ones")
	serve        = flag.String("serve", "", "kfake | kfake-blackhole")
	port         = flag.Int("port", 0, "")
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

type snap struct {
	t                 time.Time
	user, sys, broker float64
	mallocs, bytes    uint64
}

func procCPU(pid int) float64 {
	if pid == 0 {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	u, _ := strconv.ParseFloat(f[11], 64)
	s, _ := strconv.ParseFloat(f[12], 64)
	return (u + s) / 100
}

func usage() (u, s float64) {
	var r syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	f := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return f(r.Utime), f(r.Stime)
}

// peakMiB is the peak resident memory of this program; getrusage would count what started it as well.
func peakMiB() float64 {
	b, err := os.ReadFile("/proc/self/status")
	must(err)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kib, err := strconv.ParseFloat(f[1], 64)
			must(err)
			return kib / 1024
		}
	}
	panic("/proc/self/status tells no VmHWM")
}

func take() snap {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u, s := usage()
	return snap{time.Now(), u, s, procCPU(*brokerPid), m.Mallocs, m.TotalAlloc}
}

func report(a snap, n, errs int, lat []float64) {
	u, s := usage()
	secs := time.Since(a.t).Seconds()
	b := procCPU(*brokerPid)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	sort.Float64s(lat)
	q := func(p float64) float64 {
		if len(lat) == 0 {
			return 0
		}
		return lat[int(float64(len(lat)-1)*p)]
	}
	N := float64(n)
	linger, batch := "default", "default"
	if *lingerMs >= 0 {
		linger = strconv.Itoa(*lingerMs)
	}
	if !*defaults {
		batch = strconv.Itoa(*batchSize)
	}
	fmt.Printf("%s,%s,%s,%d,%s,%s,%s,%s,%d,%.3f,%.0f,%.1f,%.3f,%.3f,%.4f,%.4f,%.4f,%.0f,%.0f,%.0f,%.0f,%.0f,%d\n",
		*client, *brokerKind, *op, *valueSize, *partitioning, *compression, linger, batch,
		n, secs, N/secs, N*float64(*valueSize)/secs/1e6, u-a.user, s-a.sys, (u-a.user+s-a.sys)/N*1e6, (b-a.broker)/N*1e6,
		float64(m.Mallocs-a.mallocs)/N, float64(m.TotalAlloc-a.bytes)/N, peakMiB(), q(.5), q(.99), q(1), errs)
}

// jsonValue makes the same values as kbench, byte for byte.
func jsonValue(i, size int) []byte {
	b := fmt.Appendf(nil, `{"id":%d,"user":"user-%05d","event":"%s","ts":%d,"amount":%d.%02d,"tags":[`,
		i, i*7919%20011, []string{"click", "view", "purchase", "refund"}[i%4], 1_700_000_000_000+i*37, i*31%997, i*17%100)
	x := uint64(i)*0x9E3779B97F4A7C15 | 1
	for len(b) < size {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b = fmt.Appendf(b, `"%s-%x",`, []string{"alpha", "beta", "gamma", "delta"}[x&3], x>>8&0xffff)
	}
	return b[:size:size]
}

func pool() (values, keys [][]byte) {
	n := 8192 // more distinct bytes per partition than lz4's 64 KiB window
	if *valueSize >= 512 {
		n = 1024
	}
	for i := range n {
		values = append(values, jsonValue(i, *valueSize))
	}
	for i := range 4096 {
		keys = append(keys, fmt.Appendf(nil, "%0*d", *keySize, i*2654435761%1_000_000_007))
	}
	return
}

func producer() *kgo.Client {
	codec := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(),
		"snappy": kgo.SnappyCompression(), "zstd": kgo.ZstdCompression(), "gzip": kgo.GzipCompression()}[*compression]
	o := []kgo.Opt{
		kgo.SeedBrokers(*brokers), kgo.ClientID("bench"), kgo.DefaultProduceTopic(*topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotent unless disabled
		kgo.ProducerBatchCompression(codec),
	}
	if !*defaults {
		o = append(o,
			kgo.ProducerBatchMaxBytes(int32(*batchSize)),
			kgo.MaxBufferedRecords(*window))
	}
	if *lingerMs >= 0 {
		o = append(o, kgo.ProducerLinger(time.Duration(*lingerMs)*time.Millisecond))
	}
	switch *partitioning {
	case "rr":
		o = append(o, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	case "key":
		o = append(o, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))) // murmur2, as Java
	} // sticky: the client's default
	c, err := kgo.NewClient(o...)
	must(err)
	return c
}

func record(i int, values, keys [][]byte) *kgo.Record {
	r := &kgo.Record{Value: values[i&(len(values)-1)]}
	switch *partitioning {
	case "rr":
		r.Partition = int32(i % *partitions)
	case "key":
		r.Key = keys[i&4095]
	}
	return r
}

func produce() {
	c := producer()
	values, keys := pool()
	ctx := context.Background()
	var bad atomic.Int64
	cb := func(_ *kgo.Record, err error) {
		if err != nil {
			bad.Add(1)
		}
	}
	run := func(n int) {
		for i := range n {
			c.Produce(ctx, record(i, values, keys), cb) // waits while `window` records are buffered
		}
		must(c.Flush(ctx))
	}
	if *client == "franz-go-future" {
		type future chan error
		get := func(f future) {
			if <-f != nil {
				bad.Add(1)
			}
		}
		run = func(n int) {
			ring := make([]future, *window)
			for i := range n {
				at := i % *window
				if ring[at] != nil {
					get(ring[at])
				}
				f := make(future, 1)
				ring[at] = f
				c.Produce(ctx, record(i, values, keys), func(_ *kgo.Record, err error) { f <- err })
			}
			for i := n; i < n+*window; i++ {
				if f := ring[i%*window]; f != nil {
					get(f)
				}
			}
		}
	}
	run(*warmup)
	bad.Store(0)
	s := take()
	run(*records)
	report(s, *records, int(bad.Load()), nil)
}

func consumer() *kgo.Client {
	p := map[int32]kgo.Offset{}
	for i := range *partitions {
		p[int32(i)] = kgo.NewOffset().At(0)
	}
	o := []kgo.Opt{kgo.SeedBrokers(*brokers), kgo.ClientID("bench"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{*topic: p})}
	if !*defaults {
		o = append(o,
			kgo.FetchMaxWait(time.Duration(*maxWaitMs)*time.Millisecond),
			kgo.FetchMaxPartitionBytes(1<<20))
	}
	c, err := kgo.NewClient(o...)
	must(err)
	return c
}

func poll(c *kgo.Client) kgo.Fetches {
	var f kgo.Fetches
	if *maxPoll == 0 || *defaults { // PollFetches is what its documentation begins with
		f = c.PollFetches(context.Background())
	} else {
		f = c.PollRecords(context.Background(), *maxPoll)
	}
	for _, e := range f.Errors() {
		panic(e.Err)
	}
	return f
}

func consume() {
	c := consumer()
	size := 0
	run := func(n int) int {
		got := 0
		for got < n {
			poll(c).EachRecord(func(r *kgo.Record) { size += len(r.Value); got++ })
		}
		return got
	}
	run(*warmup)
	s := take()
	got := run(*records)
	report(s, got, 0, nil)
	if size == 0 {
		panic("no bytes")
	}
}

func e2e() {
	p := producer()
	ctx := context.Background()
	stamped := func(part int) *kgo.Record {
		v := bytes.Repeat([]byte{'x'}, max(*valueSize, 8))
		binary.LittleEndian.PutUint64(v, uint64(time.Now().UnixNano()))
		return &kgo.Record{Value: v, Partition: int32(part)}
	}
	must(p.ProduceSync(ctx, stamped(0)).FirstErr())
	done := make(chan []float64)
	go func() {
		c := consumer()
		var l []float64
		skip := 1 + *warmup
		for len(l) < *records {
			poll(c).EachRecord(func(r *kgo.Record) {
				age := float64(time.Now().UnixNano()-int64(binary.LittleEndian.Uint64(r.Value))) / 1e3
				if skip > 0 {
					skip--
				} else {
					l = append(l, age)
				}
			})
		}
		done <- l
	}()
	time.Sleep(1500 * time.Millisecond)
	t0 := time.Now()
	s := take()
	for i := range *warmup + *records {
		time.Sleep(time.Until(t0.Add(time.Duration(i) * time.Second / time.Duration(*rate))))
		if i == *warmup {
			s = take()
		}
		p.Produce(ctx, stamped(i%*partitions), func(_ *kgo.Record, err error) { must(err) })
	}
	l := <-done
	report(s, *records, 0, l)
}

func serveFake() {
	o := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(int32(*partitions), "bench", "lat"),
		kfake.ListenFn(func(network, addr string) (net.Listener, error) {
			_, p, _ := net.SplitHostPort(addr)
			if *port != 0 {
				p = strconv.Itoa(*port)
			}
			return net.Listen(network, net.JoinHostPort("127.0.0.1", p))
		})}
	if *serve == "kfake-blackhole" {
		o = append(o, kfake.BlackholeProduce())
	}
	c, err := kfake.NewCluster(o...)
	must(err)
	fmt.Println(c.ListenAddrs()[0])
	time.Sleep(10 * time.Minute) // ends with the parent's kill or after ten minutes
}

func main() {
	flag.Parse()
	if *lingerMs < 0 && !*defaults {
		*lingerMs = 5
	}
	switch {
	case *serve != "":
		serveFake()
	case *op == "produce":
		produce()
	case *op == "consume":
		consume()
	case *op == "e2e":
		e2e()
	default:
		panic(errors.New("unknown op " + *op))
	}
}
