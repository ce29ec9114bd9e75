//! The plain values that the common properties come to.
use super::{COMMON, ConfigError, ConfigErrorKind, Properties, Settings, jaas};
use crate::retry::Backoff;
use courant_runtime::Address;
use std::fmt;
use std::time::Duration;

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
