//! librdkafka's own names: what each is called in Kafka, and how its value is written there.
//!
//! Only names that Kafka does not have stand here. Where both have one, such as `linger.ms`, Kafka's meaning counts; the
//! defaults are always Kafka's.
use super::elsewhere::{Owner, owners};
use super::{Properties, jaas};

/// A name of librdkafka that Kafka does not have.
pub(super) struct Foreign {
    pub(super) name: &'static str,
    meaning: Meaning,
}

/// What becomes of its value; a text that cannot be converted is answered with what it takes.
enum Meaning {
    /// It is this property of Kafka, and the value is written alike.
    Is(&'static str),
    /// It is this property of Kafka, in another unit or with other words.
    Written(&'static str, fn(&str) -> Result<String, &'static str>),
    /// The level of whichever codec is chosen.
    Level,
    /// One half of `sasl.jaas.config`.
    PlainCredentials,
    /// Kafka has nothing of the kind; the text says what to do instead.
    Nothing(Owner, &'static str),
}

/// What a value given under a foreign name comes to.
pub(super) enum Translation {
    /// This property of Kafka with this text.
    To(&'static str, String),
    /// It asks for what happens anyway.
    Void,
    /// It cannot be followed; the text says why.
    Wrong(String),
    /// There is no such thing here; the text says what to do instead.
    Refused(&'static str),
}

/// The foreign property with this name.
pub(super) fn find(name: &str) -> Option<&'static Foreign> {
    all().find(|foreign| foreign.name == name)
}

/// Every foreign property.
pub(super) fn all() -> impl Iterator<Item = &'static Foreign> {
    [RENAMED, WITHOUT_COUNTERPART, CALLBACKS].into_iter().flatten()
}

impl Foreign {
    /// The clients that have it.
    pub(super) fn owners(&self) -> Vec<Owner> {
        match self.meaning {
            Meaning::Is(kafkas) | Meaning::Written(kafkas, _) => owners(kafkas),
            Meaning::Level => vec![Owner::Producer],
            Meaning::PlainCredentials => vec![Owner::Connection],
            Meaning::Nothing(owner, _) => vec![owner],
        }
    }

    /// Kafka's name, as documentation shows it, or what to do instead.
    #[cfg(test)]
    fn kafkas_name(&self) -> Result<&'static str, &'static str> {
        match self.meaning {
            Meaning::Is(kafkas) | Meaning::Written(kafkas, _) => Ok(kafkas),
            Meaning::Level => Ok("compression.gzip.level, compression.lz4.level or compression.zstd.level"),
            Meaning::PlainCredentials => Ok("sasl.jaas.config"),
            Meaning::Nothing(_, instead) => Err(instead),
        }
    }

    /// What `text` comes to; some values mean something only beside others that were given.
    pub(super) fn translate(&self, text: &str, given: &Properties) -> Translation {
        match self.meaning {
            Meaning::Is(kafkas) => Translation::To(kafkas, text.to_owned()),
            Meaning::Written(kafkas, convert) => match convert(text.trim()) {
                Ok(text) => Translation::To(kafkas, text),
                Err(takes) => Translation::Wrong(format!("it cannot be `{text}`: it takes {takes}")),
            },
            Meaning::Level => level(text.trim(), given),
            Meaning::PlainCredentials => credentials(given),
            Meaning::Nothing(_, instead) => Translation::Refused(instead),
        }
    }
}

fn level(text: &str, given: &Properties) -> Translation {
    let codec = given.value("compression.type").or_else(|| given.value("compression.codec"));
    match (codec.map(|codec| codec.trim().to_ascii_lowercase()).as_deref(), text) {
        // The codec's own default.
        (_, "-1") => Translation::Void,
        (Some("gzip"), level) => Translation::To("compression.gzip.level", level.to_owned()),
        (Some("lz4"), level) => Translation::To("compression.lz4.level", level.to_owned()),
        (Some("zstd"), level) => Translation::To("compression.zstd.level", level.to_owned()),
        (_, "0") => Translation::Void,
        (codec, _) => {
            Translation::Wrong(format!("compression.type `{}` has no levels", codec.unwrap_or("none")))
        }
    }
}

fn credentials(given: &Properties) -> Translation {
    match (given.value("sasl.username"), given.value("sasl.password")) {
        (Some(username), Some(password)) => {
            Translation::To("sasl.jaas.config", jaas::plain(username, password))
        }
        _ => Translation::Wrong("sasl.username and sasl.password belong together".to_owned()),
    }
}

// tidy: one table
const RENAMED: &[Foreign] = &[
    is("auto.commit.enable", "enable.auto.commit"),
    is("compression.codec", "compression.type"),
    Foreign { name: "compression.level", meaning: Meaning::Level },
    is("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    is("fetch.wait.max.ms", "fetch.max.wait.ms"),
    is("max.in.flight", "max.in.flight.requests.per.connection"),
    is("message.max.bytes", "max.request.size"),
    is("message.send.max.retries", "retries"),
    written("message.timeout.ms", "delivery.timeout.ms", zero_is_endless),
    written("metadata.broker.list", "bootstrap.servers", with_ports),
    written("partitioner", "partitioner.class", partitioner),
    written("queue.buffering.max.kbytes", "buffer.memory", kibibytes),
    written("queue.buffering.max.ms", "linger.ms", whole_millis),
    written("queued.max.messages.kbytes", "fetch.buffer.bytes", kibibytes),
    is("request.required.acks", "acks"),
    is("sasl.mechanisms", "sasl.mechanism"),
    is("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"),
    is("sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"),
    is("sasl.oauthbearer.assertion.jwt.template.file", "sasl.oauthbearer.assertion.template.file"),
    Foreign { name: "sasl.password", meaning: Meaning::PlainCredentials },
    Foreign { name: "sasl.username", meaning: Meaning::PlainCredentials },
    written("socket.receive.buffer.bytes", "receive.buffer.bytes", zero_is_the_systems),
    written("socket.send.buffer.bytes", "send.buffer.bytes", zero_is_the_systems),
    is("socket.timeout.ms", "request.timeout.ms"),
    written("topic.metadata.refresh.interval.ms", "metadata.max.age.ms", some_time),
];

// tidy: one table
const WITHOUT_COUNTERPART: &[Foreign] = &[
    nothing("api.version.fallback.ms", Owner::Connection, VERSIONS),
    nothing("api.version.request", Owner::Connection, VERSIONS),
    nothing(
        "api.version.request.timeout.ms",
        Owner::Connection,
        "socket.connection.setup.timeout.ms covers it",
    ),
    nothing("batch.num.messages", Owner::Producer, "batch.size bounds a batch, in bytes"),
    nothing("broker.address.family", Owner::Connection, "all addresses of a name are tried"),
    nothing("broker.address.ttl", Owner::Connection, "names are resolved at each attempt to connect"),
    nothing("broker.version.fallback", Owner::Connection, VERSIONS),
    nothing(
        "builtin.features",
        Owner::Connection,
        "this is not librdkafka; Cargo's features choose the codecs",
    ),
    nothing(
        "consume.callback.max.messages",
        Owner::Consumer,
        "max.poll.records bounds what a poll hands out",
    ),
    nothing(
        "coordinator.query.interval.ms",
        Owner::Consumer,
        "the coordinator is looked for when somebody needs it",
    ),
    nothing("debug", Owner::Connection, LOG),
    nothing(
        "delivery.report.only.error",
        Owner::Producer,
        "drop the delivery future of a record to hear nothing of it",
    ),
    nothing(
        "enable.auto.offset.store",
        Owner::Consumer,
        "auto-commit commits what was handed out before the current poll; set enable.auto.commit to false to commit by hand",
    ),
    nothing(
        "enable.gapless.guarantee",
        Owner::Producer,
        "a record that fails is told by its delivery future",
    ),
    nothing("enable.partition.eof", Owner::Consumer, "`current_lag(..)` is 0 at the end of a partition"),
    nothing("enable.random.seed", Owner::Connection, "randomness comes from the client's `World`"),
    nothing("enable.sasl.oauthbearer.unsecure.jwt", Owner::Connection, OAUTH),
    nothing("enable.ssl.certificate.verification", Owner::Connection, TLS),
    nothing("fetch.error.backoff.ms", Owner::Consumer, "retry.backoff.ms says when a fetch is tried again"),
    nothing("fetch.queue.backoff.ms", Owner::Consumer, "a fetch is sent as soon as there is room for it"),
    nothing("group.protocol.type", Owner::Consumer, "the members of its group are consumers"),
    nothing("https.ca.location", Owner::Connection, TLS),
    nothing("https.ca.pem", Owner::Connection, TLS),
    nothing(
        "internal.termination.signal",
        Owner::Connection,
        "tasks end with their client; no signal is used",
    ),
    nothing("log.connection.close", Owner::Connection, LOG),
    nothing("log.queue", Owner::Connection, LOG),
    nothing("log.thread.name", Owner::Connection, LOG),
    nothing("log_level", Owner::Connection, LOG),
    nothing("message.copy.max.bytes", Owner::Producer, "every record is copied once, into its batch"),
    nothing("offset.store.method", Owner::Consumer, OFFSETS),
    nothing("offset.store.path", Owner::Consumer, OFFSETS),
    nothing("offset.store.sync.interval.ms", Owner::Consumer, OFFSETS),
    nothing("plugin.library.paths", Owner::Connection, "no libraries are loaded"),
    nothing("produce.offset.report", Owner::Producer, "each delivery tells its offset"),
    nothing(
        "queue.buffering.backpressure.threshold",
        Owner::Producer,
        "max.in.flight.requests.per.connection bounds what is on its way",
    ),
    nothing("queue.buffering.max.messages", Owner::Producer, "buffer.memory bounds the buffer, in bytes"),
    nothing(
        "queued.min.messages",
        Owner::Consumer,
        "fetch.buffer.bytes bounds what is fetched ahead, in bytes",
    ),
    nothing("queuing.strategy", Owner::Producer, "records keep their order"),
    nothing("receive.message.max.bytes", Owner::Connection, "answers are bounded by what they answer"),
    nothing("reconnect.backoff.jitter.ms", Owner::Connection, "reconnect.backoff.ms has a jitter of its own"),
    nothing("sasl.kerberos.keytab", Owner::Connection, KERBEROS),
    nothing("sasl.kerberos.principal", Owner::Connection, KERBEROS),
    nothing("sasl.oauthbearer.assertion.private.key.pem", Owner::Connection, OAUTH),
    nothing("sasl.oauthbearer.config", Owner::Connection, OAUTH),
    nothing("sasl.oauthbearer.extensions", Owner::Connection, OAUTH),
    nothing("sasl.oauthbearer.grant.type", Owner::Connection, OAUTH),
    nothing("sasl.oauthbearer.metadata.authentication.type", Owner::Connection, OAUTH),
    nothing("sasl.oauthbearer.method", Owner::Connection, OAUTH),
    nothing("socket.blocking.max.ms", Owner::Connection, "no call blocks a thread"),
    nothing("socket.keepalive.enable", Owner::Connection, "request.timeout.ms finds dead connections"),
    nothing("socket.max.fails", Owner::Connection, "a connection is closed at its first failure"),
    nothing("socket.nagle.disable", Owner::Connection, "it is always disabled"),
    nothing("ssl.ca.certificate.stores", Owner::Connection, TLS),
    nothing("ssl.ca.location", Owner::Connection, TLS),
    nothing("ssl.ca.pem", Owner::Connection, TLS),
    nothing("ssl.certificate.location", Owner::Connection, TLS),
    nothing("ssl.certificate.pem", Owner::Connection, TLS),
    nothing("ssl.crl.location", Owner::Connection, TLS),
    nothing("ssl.curves.list", Owner::Connection, TLS),
    nothing("ssl.engine.id", Owner::Connection, TLS),
    nothing("ssl.engine.location", Owner::Connection, TLS),
    nothing("ssl.key.location", Owner::Connection, TLS),
    nothing("ssl.key.pem", Owner::Connection, TLS),
    nothing("ssl.providers", Owner::Connection, TLS),
    nothing("ssl.sigalgs.list", Owner::Connection, TLS),
    nothing("statistics.interval.ms", Owner::Connection, "no statistics are sent by time"),
    nothing(
        "sticky.partitioning.linger.ms",
        Owner::Producer,
        "records without a key turn to another partition after batch.size bytes",
    ),
    nothing("topic.blacklist", Owner::Connection, "only topics that are asked for are looked up"),
    nothing(
        "topic.metadata.propagation.max.ms",
        Owner::Connection,
        "max.block.ms says how long a topic is waited for",
    ),
    nothing("topic.metadata.refresh.fast.cnt", Owner::Connection, FAST_REFRESH),
    nothing("topic.metadata.refresh.fast.interval.ms", Owner::Connection, FAST_REFRESH),
    nothing(
        "topic.metadata.refresh.sparse",
        Owner::Connection,
        "only topics that are asked for are looked up",
    ),
];

// tidy: one table
const CALLBACKS: &[Foreign] = &[
    nothing("background_event_cb", Owner::Connection, CALLBACK),
    nothing("closesocket_cb", Owner::Connection, WORLD),
    nothing("connect_cb", Owner::Connection, WORLD),
    nothing("consume_cb", Owner::Consumer, "`poll()`, `stream()` and `next_event()` hand records out"),
    nothing("default_topic_conf", Owner::Connection, "topics have no configurations of their own"),
    nothing("dr_cb", Owner::Producer, CALLBACK),
    nothing("dr_msg_cb", Owner::Producer, CALLBACK),
    nothing("enabled_events", Owner::Connection, CALLBACK),
    nothing("error_cb", Owner::Connection, CALLBACK),
    nothing("interceptors", Owner::Producer, "hand one over with `interceptor(..)`"),
    nothing("log_cb", Owner::Connection, LOG),
    nothing("msg_order_cmp", Owner::Producer, "records keep their order"),
    nothing("oauthbearer_token_refresh_cb", Owner::Connection, OAUTH),
    nothing("opaque", Owner::Connection, CALLBACK),
    nothing(
        "offset_commit_cb",
        Owner::Consumer,
        "commits tell their results, and `interceptor(..)` hears of all of them",
    ),
    nothing("open_cb", Owner::Connection, WORLD),
    nothing("partitioner_cb", Owner::Producer, "hand one over with `partitioner(..)`"),
    nothing(
        "rebalance_cb",
        Owner::Consumer,
        "hand a listener over with `rebalance_listener(..)`, or ask for `next_event()`",
    ),
    nothing("resolve_cb", Owner::Connection, WORLD),
    nothing("socket_cb", Owner::Connection, WORLD),
    nothing("ssl.certificate.verify_cb", Owner::Connection, TLS),
    nothing("ssl_ca", Owner::Connection, TLS),
    nothing("ssl_certificate", Owner::Connection, TLS),
    nothing("ssl_engine_callback_data", Owner::Connection, TLS),
    nothing("ssl_key", Owner::Connection, TLS),
    nothing("stats_cb", Owner::Connection, CALLBACK),
    nothing("throttle_cb", Owner::Connection, CALLBACK),
];

const fn is(name: &'static str, kafkas: &'static str) -> Foreign {
    Foreign { name, meaning: Meaning::Is(kafkas) }
}

const fn written(
    name: &'static str,
    kafkas: &'static str,
    convert: fn(&str) -> Result<String, &'static str>,
) -> Foreign {
    Foreign { name, meaning: Meaning::Written(kafkas, convert) }
}

const fn nothing(name: &'static str, owner: Owner, instead: &'static str) -> Foreign {
    Foreign { name, meaning: Meaning::Nothing(owner, instead) }
}

const CALLBACK: &str = "futures and results tell what callbacks told";
const FAST_REFRESH: &str = "retry.backoff.ms says when metadata is asked for again";
const KERBEROS: &str = "Kerberos is not supported";
const LOG: &str = "events go to `tracing`; filter by the targets `courant::…`";
const OAUTH: &str = "OAUTHBEARER is not supported yet";
const OFFSETS: &str = "brokers keep the offsets of groups";
const TLS: &str = "TLS is not supported yet; use security.protocol PLAINTEXT or SASL_PLAINTEXT";
const VERSIONS: &str = "versions are always negotiated";
const WORLD: &str = "a `World` brings sockets and names of its own";

/// Kafka's producer counts no shorter time than a millisecond; a part of one counts as a whole one.
fn whole_millis(text: &str) -> Result<String, &'static str> {
    let millis: f64 = text.parse().map_err(|_| "a number of milliseconds")?;
    match (0.0..=900_000.0).contains(&millis) {
        true => Ok(format!("{:.0}", millis.ceil())),
        false => Err("a number of milliseconds from 0 to 900000"),
    }
}

fn kibibytes(text: &str) -> Result<String, &'static str> {
    let takes = "a whole number of kibibytes, 1 or more";
    let kibibytes: u32 = text.parse().map_err(|_| takes)?;
    match kibibytes {
        0 => Err(takes),
        kibibytes => Ok((u64::from(kibibytes) * 1024).to_string()),
    }
}

fn zero_is_endless(text: &str) -> Result<String, &'static str> {
    Ok(if text == "0" { i32::MAX.to_string() } else { text.to_owned() })
}

fn zero_is_the_systems(text: &str) -> Result<String, &'static str> {
    Ok(if text == "0" { "-1".to_owned() } else { text.to_owned() })
}

/// librdkafka can do without refreshing; here a very long time does.
fn some_time(text: &str) -> Result<String, &'static str> {
    match text {
        "-1" => Err("a number of milliseconds; a very large one stands for never"),
        text => Ok(text.to_owned()),
    }
}

/// librdkafka takes `host`, `host:port` and `protocol://host:port`; security.protocol says the protocol here.
fn with_ports(text: &str) -> Result<String, &'static str> {
    let brokers = text.split(',').map(str::trim).filter(|broker| !broker.is_empty()).map(|broker| {
        let address = broker.split_once("://").map_or(broker, |(_, address)| address);
        let has_port =
            address.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        if has_port { address.to_owned() } else { format!("{address}:9092") }
    });
    Ok(brokers.collect::<Vec<_>>().join(","))
}

fn partitioner(text: &str) -> Result<String, &'static str> {
    match text {
        "random" | "consistent" | "consistent_random" | "murmur2" | "murmur2_random" | "fnv1a"
        | "fnv1a_random" => Ok(text.to_owned()),
        _ => Err("random, consistent, consistent_random, murmur2, murmur2_random, fnv1a or fnv1a_random"),
    }
}

/// The names as a Markdown table; `client/LIBRDKAFKA.md`, which the documentation of the module shows, is made of it.
#[cfg(test)]
pub(super) fn describe() -> String {
    let rows = all().map(|foreign| match foreign.kafkas_name() {
        Ok(kafkas) => {
            format!("| `{}` | `{}` |\n", foreign.name, kafkas.replace(", ", "`, `").replace(" or ", "` or `"))
        }
        Err(instead) => format!("| `{}` | *refused:* {instead} |\n", foreign.name),
    });
    format!("| librdkafka's name | Kafka's |\n|---|---|\n{}", rows.collect::<String>())
}
