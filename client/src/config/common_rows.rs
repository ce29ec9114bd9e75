//! The rows that every client has: Kafka's `CommonClientConfigs`.
use super::row::{Importance, Kind, Row, Unit};
use super::{Table, sasl_rows, ssl_rows};

/// The common, SSL and SASL properties, with Java's names and defaults (Kafka 4.3).
///
#[doc = include_str!("../../PROPERTIES.md")]
pub const COMMON: Table = Table::new(&[CONNECTION, SECURITY, ssl_rows::SSL, sasl_rows::SASL]);

const CONNECTION: &[Row] = &[
    Row::new("bootstrap.servers", Kind::List, "")
        .importance(Importance::High)
        .doc("Brokers to ask first, `host:port` each; the rest of the cluster is learnt from them."),
    Row::new("client.id", Kind::String, "")
        .importance(Importance::Medium)
        .doc("A name for this application in the brokers' logs, metrics and quotas."),
    Row::new("client.dns.lookup", Kind::String, "use_all_dns_ips")
        .one_of(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])
        .importance(Importance::Medium)
        .kip(302)
        .refuse_values(&[("resolve_canonical_bootstrap_servers_only", "it serves Kerberos, which is not supported")])
        .doc("Which addresses of a name are tried: all of them, resolved again at each attempt."),
    Row::new("request.timeout.ms", Kind::Int, "30000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .doc("How long a broker may take to answer; then the connection is closed, because the order of its answers is lost."),
    Row::new("default.api.timeout.ms", Kind::Int, "60000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .kip(266)
        .doc("How long a call may take with all of its retries, where it is given no deadline of its own."),
    Row::new("retry.backoff.ms", Kind::Long, "100")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(580)
        .doc("The wait before the first retry of a request; it doubles with each."),
    Row::new("retry.backoff.max.ms", Kind::Long, "1000")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(580)
        .doc("The longest wait before a retry."),
    Row::new("reconnect.backoff.ms", Kind::Long, "50")
        .at_least(0)
        .unit(Unit::Millis)
        .doc("The wait before a broker is connected to again; it doubles with each failure. Set alone, it is constant."),
    Row::new("reconnect.backoff.max.ms", Kind::Long, "1000")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(144)
        .doc("The longest wait before a broker is connected to again."),
    Row::new("socket.connection.setup.timeout.ms", Kind::Long, "10000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .kip(601)
        .doc("How long connecting may take; it doubles with each failure of a broker."),
    Row::new("socket.connection.setup.timeout.max.ms", Kind::Long, "30000")
        .at_least(0)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .kip(601)
        .doc("The longest time that connecting may take."),
    Row::new("connections.max.idle.ms", Kind::Long, "540000")
        .at_least(-1)
        .unit(Unit::Millis)
        .importance(Importance::Medium)
        .doc("An idle connection is closed after this time, just before a broker would do it; -1 keeps it."),
    Row::new("metadata.max.age.ms", Kind::Long, "300000")
        .at_least(0)
        .unit(Unit::Millis)
        .doc("After this time metadata is fetched again without need, to find new brokers and partitions."),
    Row::new("metadata.recovery.strategy", Kind::String, "rebootstrap")
        .one_of_in_any_case(&["REBOOTSTRAP", "NONE"])
        .kip(899)
        .doc("What happens when no known broker answers: start again from `bootstrap.servers`, or keep trying."),
    Row::new("metadata.recovery.rebootstrap.trigger.ms", Kind::Long, "300000")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(1102)
        .doc("Without metadata for this time the client starts again from `bootstrap.servers`."),
    Row::new("bootstrap.resolve.timeout.ms", Kind::Long, "120000")
        .at_least(0)
        .unit(Unit::Millis)
        .kip(909)
        .accepted("names are resolved at each attempt to connect, within that attempt's timeout")
        .doc("How long resolving the names of `bootstrap.servers` may take."),
    Row::new("send.buffer.bytes", Kind::Int, "131072")
        .at_least(-1)
        .unit(Unit::Bytes)
        .importance(Importance::Medium)
        .accepted("the operating system sizes its socket buffers")
        .doc("The size of a socket's send buffer."),
    Row::new("receive.buffer.bytes", Kind::Int, "65536")
        .at_least(-1)
        .unit(Unit::Bytes)
        .importance(Importance::Medium)
        .accepted("the operating system sizes its socket buffers")
        .doc("The size of a socket's receive buffer."),
    Row::new("enable.metrics.push", Kind::Bool, "true")
        .kip(714)
        .accepted("nothing is pushed to brokers")
        .doc("Whether the client pushes its metrics to the brokers."),
    Row::new("metric.reporters", Kind::List, "org.apache.kafka.common.metrics.JmxReporter")
        .accepted("they are Java classes")
        .doc("Java classes that report metrics."),
    Row::new("metrics.num.samples", Kind::Int, "2")
        .at_least(1)
        .accepted("Java's metrics are not computed")
        .doc("Over how many samples a metric is computed."),
    Row::new("metrics.recording.level", Kind::String, "INFO")
        .one_of(&["INFO", "DEBUG", "TRACE"])
        .accepted("Java's metrics are not computed")
        .doc("Which metrics are computed."),
    Row::new("metrics.sample.window.ms", Kind::Long, "30000")
        .at_least(0)
        .unit(Unit::Millis)
        .accepted("Java's metrics are not computed")
        .doc("The length of one sample of a metric."),
    Row::new("config.providers", Kind::List, "")
        .refused("they are Java classes; put the values in place before")
        .doc("Java classes that look up values such as `${file:…}`."),
];

const SECURITY: &[Row] = &[
    Row::new("security.protocol", Kind::String, "PLAINTEXT")
        .one_of_in_any_case(&["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"])
        .importance(Importance::Medium)
        .refuse_values(&[
            ("SSL", "TLS is not supported yet; PLAINTEXT and SASL_PLAINTEXT are"),
            ("SASL_SSL", "TLS is not supported yet; PLAINTEXT and SASL_PLAINTEXT are"),
        ])
        .doc("Whether connections are encrypted (SSL) and authenticated (SASL)."),
    Row::without_default("security.providers", Kind::String)
        .refused("they are Java classes")
        .doc("Java classes that provide security algorithms."),
];
