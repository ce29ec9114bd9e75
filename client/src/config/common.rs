//! The properties that every client has: Kafka's `CommonClientConfigs`, and the plain values that they become.
use super::row::{Importance, Kind, Row, Unit};
use super::{ConfigError, ConfigErrorKind, Properties, Settings, Table, jaas, sasl_rows, ssl_rows};
use crate::retry::Backoff;
use courant_runtime::Address;
use std::fmt;
use std::time::Duration;

/// The common, SSL and SASL properties, with Java's names and defaults (Kafka 4.3).
pub const COMMON: Table = Table::new(&[CONNECTION, SECURITY, ssl_rows::SSL, sasl_rows::SASL]);

/// What the common properties come to: plain values, checked once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommonSettings {
    /// `bootstrap.servers`, in order and without repetitions; at least one.
    pub bootstrap: Vec<Address>,
    /// `client.id`.
    pub client_id: String,
    /// `request.timeout.ms`: how long one request may take, from the moment it is written.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: how long a whole call may take, retries included, where it is given no time of its own.
    pub default_api_timeout: Duration,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`.
    pub retry_backoff: Backoff,
    /// `reconnect.backoff.ms` and `reconnect.backoff.max.ms`.
    pub reconnect_backoff: Backoff,
    /// `socket.connection.setup.timeout.ms` and its `max`: how long the n-th attempt to connect may take.
    pub connection_setup_timeout: Backoff,
    /// `connections.max.idle.ms`; `None` keeps idle connections for ever.
    pub connections_max_idle: Option<Duration>,
    /// `metadata.max.age.ms`: after this time metadata is fetched again without need.
    pub metadata_max_age: Duration,
    /// `metadata.recovery.strategy` (KIP-899).
    pub metadata_recovery: MetadataRecovery,
    /// `metadata.recovery.rebootstrap.trigger.ms` (KIP-1102).
    pub rebootstrap_trigger: Duration,
    /// `security.protocol` and what belongs to it.
    pub security: Security,
}

/// What a client does when none of the brokers that it knows answers (KIP-899).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataRecovery {
    /// Start again from `bootstrap.servers`.
    Rebootstrap,
    /// Keep trying the brokers that it knows.
    None,
}

/// How connections are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// SASL PLAIN over an unencrypted connection (KIP-43).
    SaslPlain {
        /// The user's name.
        username: String,
        /// The user's password.
        password: Secret,
    },
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl CommonSettings {
    /// Checks properties against [`COMMON`] and reads them.
    ///
    /// # Errors
    /// The first property that is unknown, refused, missing, or has a value that it does not take.
    pub fn new(properties: &Properties) -> Result<Self, ConfigError> {
        Self::read(&properties.check(&[&COMMON])?)
    }

    /// Reads checked settings, whose tables include [`COMMON`].
    ///
    /// # Errors
    /// A missing or malformed `bootstrap.servers`, or a security setup that is incomplete or refused.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            bootstrap: bootstrap(settings)?,
            client_id: settings.text("client.id")?.to_owned(),
            request_timeout: settings.millis("request.timeout.ms")?,
            default_api_timeout: settings.millis("default.api.timeout.ms")?,
            retry_backoff: backoff(settings, "retry.backoff.ms", "retry.backoff.max.ms")?,
            reconnect_backoff: reconnect_backoff(settings)?,
            connection_setup_timeout: backoff(
                settings,
                "socket.connection.setup.timeout.ms",
                "socket.connection.setup.timeout.max.ms",
            )?,
            connections_max_idle: settings.millis_or_never("connections.max.idle.ms")?,
            metadata_max_age: settings.millis("metadata.max.age.ms")?,
            metadata_recovery: match settings.text("metadata.recovery.strategy")? {
                "NONE" => MetadataRecovery::None,
                _ => MetadataRecovery::Rebootstrap,
            },
            rebootstrap_trigger: settings.millis("metadata.recovery.rebootstrap.trigger.ms")?,
            security: security(settings)?,
        })
    }
}

fn bootstrap(settings: &Settings) -> Result<Vec<Address>, ConfigError> {
    const NAME: &str = "bootstrap.servers";
    let mut addresses: Vec<Address> = Vec::new();
    for text in settings.list(NAME)?.iter().filter(|text| !text.is_empty()) {
        let address: Address = text.parse().map_err(|e| {
            let text = format!("property `{NAME}` cannot be read: {e}");
            ConfigError::new(ConfigErrorKind::Value, NAME, text).with_source(e)
        })?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let error =
            ConfigError::new(ConfigErrorKind::Missing, NAME, format!("property `{NAME}` is required"));
        return Err(error.with_hint("name at least one broker, such as `localhost:9092`"));
    }
    Ok(addresses)
}

fn backoff(settings: &Settings, initial: &str, max: &str) -> Result<Backoff, ConfigError> {
    Ok(Backoff::new(settings.millis(initial)?, settings.millis(max)?))
}

/// A user who sets only `reconnect.backoff.ms` gets a constant wait of that length, as before KIP-144 brought the maximum
/// (Kafka's `CommonClientConfigs.postProcessReconnectBackoffConfigs`).
fn reconnect_backoff(settings: &Settings) -> Result<Backoff, ConfigError> {
    let (initial, max) = ("reconnect.backoff.ms", "reconnect.backoff.max.ms");
    let only_initial = settings.is_given(initial) && !settings.is_given(max);
    backoff(settings, initial, if only_initial { initial } else { max })
}

fn security(settings: &Settings) -> Result<Security, ConfigError> {
    const JAAS: &str = "sasl.jaas.config";
    if settings.text("security.protocol")? == "PLAINTEXT" {
        return Ok(Security::Plaintext);
    }
    let mechanism = settings.text("sasl.mechanism")?;
    if mechanism != "PLAIN" {
        let text = format!("property `sasl.mechanism` cannot be `{mechanism}`: Kerberos is not supported");
        let error = ConfigError::new(ConfigErrorKind::Refused, "sasl.mechanism", text);
        return Err(error.with_hint("set it to `PLAIN`; Kafka's default is `GSSAPI`"));
    }
    let Some(text) = settings.optional_text(JAAS)? else {
        let error = ConfigError::new(
            ConfigErrorKind::Missing,
            JAAS,
            format!("property `{JAAS}` is required for SASL"),
        );
        return Err(error.with_hint("or call `sasl_plain(username, password)`"));
    };
    let wrong = |reason: &str| {
        ConfigError::new(ConfigErrorKind::Value, JAAS, format!("property `{JAAS}` cannot be read: {reason}"))
    };
    let mut module = jaas::parse(text).map_err(wrong)?;
    if module.class != jaas::PLAIN_MODULE {
        return Err(wrong("for the mechanism PLAIN the login module is Kafka's PlainLoginModule"));
    }
    let username =
        module.options.remove("username").ok_or_else(|| wrong("the option `username` is missing"))?;
    let password =
        module.options.remove("password").ok_or_else(|| wrong("the option `password` is missing"))?;
    Ok(Security::SaslPlain { username, password: Secret::new(password) })
}

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
