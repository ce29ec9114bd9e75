//! The topic configs of Kafka 4.3.1: names, types, defaults and the broker properties that they fall back to.
use super::kind::Kind::{Boolean, Double, Int, List, Long, String};
use super::row::Row;

/// Every topic config, sorted by name, as CreateTopics lists them.
// tidy: one table
pub(crate) static TOPIC_ROWS: &[Row] = &[
    Row::topic("cleanup.policy", List, "delete", &["log.cleanup.policy"], "What happens to old data: `delete` drops it by age and size, `compact` keeps the last record of each key."),
    Row::topic("compression.gzip.level", Int, "-1", &["compression.gzip.level"], "The gzip level where the broker itself compresses."),
    Row::topic("compression.lz4.level", Int, "9", &["compression.lz4.level"], "The lz4 level where the broker itself compresses."),
    Row::topic("compression.type", String, "producer", &["compression.type"], "The codec of stored batches; `producer` keeps what the producer chose."),
    Row::topic("compression.zstd.level", Int, "3", &["compression.zstd.level"], "The zstd level where the broker itself compresses."),
    Row::topic("delete.retention.ms", Long, "86400000", &["log.cleaner.delete.retention.ms"], "How long a compacted log keeps the marker of a deleted key."),
    Row::topic("file.delete.delay.ms", Long, "60000", &["log.segment.delete.delay.ms"], "How long a dropped file waits on disk."),
    Row::topic("flush.messages", Long, "9223372036854775807", &["log.flush.interval.messages"], "After how many records the log is forced to disk."),
    Row::topic("flush.ms", Long, "9223372036854775807", &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"], "After how many milliseconds the log is forced to disk."),
    Row::topic("follower.replication.throttled.replicas", List, "", &[], "Followers whose replication is throttled."),
    Row::topic("index.interval.bytes", Int, "4096", &["log.index.interval.bytes"], "How many bytes lie between two entries of the offset index."),
    Row::topic("leader.replication.throttled.replicas", List, "", &[], "Leaders whose replication is throttled."),
    Row::topic("local.retention.bytes", Long, "-2", &["log.local.retention.bytes"], "How many bytes stay local where tiered storage is on; -2 follows retention.bytes."),
    Row::topic("local.retention.ms", Long, "-2", &["log.local.retention.ms"], "How long data stays local where tiered storage is on; -2 follows retention.ms."),
    Row::topic("max.compaction.lag.ms", Long, "9223372036854775807", &["log.cleaner.max.compaction.lag.ms"], "The longest that a record may wait for compaction."),
    Row::topic("max.message.bytes", Int, "1048588", &["message.max.bytes"], "The largest batch that the topic takes, after compression."),
    Row::topic("message.timestamp.after.max.ms", Long, "3600000", &["log.message.timestamp.after.max.ms"], "How far ahead of the broker a record may be stamped."),
    Row::topic("message.timestamp.before.max.ms", Long, "9223372036854775807", &["log.message.timestamp.before.max.ms"], "How far behind the broker a record may be stamped."),
    Row::topic("message.timestamp.type", String, "CreateTime", &["log.message.timestamp.type"], "Whose clock stamps records: `CreateTime` the producer's, `LogAppendTime` the broker's."),
    Row::topic("min.cleanable.dirty.ratio", Double, "0.5", &["log.cleaner.min.cleanable.ratio"], "The share of uncompacted data at which compaction starts."),
    Row::topic("min.compaction.lag.ms", Long, "0", &["log.cleaner.min.compaction.lag.ms"], "The shortest that a record stays uncompacted."),
    Row::topic("min.insync.replicas", Int, "1", &["min.insync.replicas"], "How many replicas must be in sync before a write with acks=all is taken."),
    Row::topic("preallocate", Boolean, "false", &["log.preallocate"], "Whether segment files are allocated in advance."),
    Row::topic("remote.log.copy.disable", Boolean, "false", &[], "Whether tiered data becomes read-only."),
    Row::topic("remote.log.delete.on.disable", Boolean, "false", &[], "Whether turning tiered storage off deletes what was tiered."),
    Row::topic("remote.storage.enable", Boolean, "false", &[], "Whether the topic is tiered."),
    Row::topic("retention.bytes", Long, "-1", &["log.retention.bytes"], "How many bytes a partition keeps; -1 is without limit."),
    Row::topic("retention.ms", Long, "604800000", &["log.retention.ms", "log.retention.minutes", "log.retention.hours"], "How long a record is kept, by its own time; -1 is for ever."),
    Row::topic("segment.bytes", Int, "1073741824", &["log.segment.bytes"], "The size of a segment file."),
    Row::topic("segment.index.bytes", Int, "10485760", &["log.index.size.max.bytes"], "The size of a segment's index."),
    Row::topic("segment.jitter.ms", Long, "0", &["log.roll.jitter.ms", "log.roll.jitter.hours"], "How much segment.ms varies at random."),
    Row::topic("segment.ms", Long, "604800000", &["log.roll.ms", "log.roll.hours"], "The age at which a segment is closed."),
    Row::topic("unclean.leader.election.enable", Boolean, "false", &["unclean.leader.election.enable"], "Whether a replica out of sync may lead when no other lives."),
];
