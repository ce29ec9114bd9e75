//! The machinery as a whole, and the common table against what Kafka 4.3.1 says about itself.
use super::elsewhere::{Owner, owners};
use super::*;
use crate::retry::Backoff;
use std::collections::BTreeSet;
use std::time::Duration;

mod librdkafka;

fn wrong(name: &str, value: &str) -> String {
    let mut properties = Properties::new();
    properties.set(name, value);
    properties.check(&[&COMMON]).unwrap_err().to_string()
}

fn settings(text: &str) -> Result<CommonSettings, ConfigError> {
    CommonSettings::new(&Properties::parse(text)?)
}

/// The names of the properties of one of Kafka's clients.
fn kafkas_own(client: &str) -> BTreeSet<&'static str> {
    let lines = include_str!("../../tests/golden/config-4.3.1.txt").lines();
    let fields = lines.filter(|line| !line.starts_with('#')).map(|line| line.split('|').collect::<Vec<_>>());
    fields.filter(|f| f[0] == client).map(|f| f[1]).collect()
}

#[test]
fn the_documentation_lists_every_row_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/PROPERTIES.md");
    if std::env::var_os("COURANT_WRITE").is_some() {
        std::fs::write(path, COMMON.describe()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == COMMON.describe(),
        "COURANT_WRITE=1 cargo test -p courant-client --lib writes {path} anew"
    );
}

#[test]
fn every_property_of_kafkas_clients_is_known() {
    for (client, owner) in
        [("producer", Owner::Producer), ("consumer", Owner::Consumer), ("admin", Owner::Admin)]
    {
        for name in kafkas_own(client) {
            let owners = owners(name);
            assert!(owners.contains(&owner) || owners.contains(&Owner::Connection), "{client} {name}");
        }
    }
}

#[test]
fn no_row_comes_twice_and_every_default_is_of_its_type() {
    let mut names = BTreeSet::new();
    for row in COMMON.rows() {
        assert!(names.insert(row.name), "{}", row.name);
    }
    let settings = Properties::new().check(&[&COMMON]).unwrap();
    assert!(settings.without_effect().is_empty());
    assert!(!settings.is_given("client.id"));
}

#[test]
fn a_wrong_name_or_value_is_answered_with_what_would_be_right() {
    for (name, value, said) in [
        ("clientid", "x", "unknown property `clientid`; did you mean `client.id`?"),
        ("colour", "red", "unknown property `colour`"),
        (
            "linger.msec",
            "5",
            "unknown property `linger.msec`; did you mean `linger.ms`? it is a producer property: set it on \
             `Producer::builder(&kafka)`",
        ),
        (
            "group.id",
            "g",
            "property `group.id` does not belong here; it is a consumer property: set it on `Consumer::builder(&kafka)`",
        ),
        (
            "request.timeout.ms",
            "30s",
            "property `request.timeout.ms` cannot be `30s`: it takes a whole number of milliseconds, 0 or more (default \
             30000)",
        ),
        (
            "request.timeout.ms",
            "-1",
            "property `request.timeout.ms` cannot be `-1`: it takes a whole number of milliseconds, 0 or more (default \
             30000)",
        ),
        (
            "request.timeout.ms",
            "2147483648",
            "property `request.timeout.ms` cannot be `2147483648`: it takes a whole number of milliseconds, 0 or more \
             (default 30000)",
        ),
        (
            "enable.metrics.push",
            "yes",
            "property `enable.metrics.push` cannot be `yes`: it takes `true` or `false` (default true)",
        ),
        (
            "metadata.recovery.strategy",
            "pray",
            "property `metadata.recovery.strategy` cannot be `pray`: it takes one of REBOOTSTRAP, NONE (default rebootstrap)",
        ),
        (
            "sasl.login.refresh.window.factor",
            "0.4",
            "property `sasl.login.refresh.window.factor` cannot be `0.4`: it takes a number from 0.5 to 1 (default 0.8)",
        ),
        (
            "security.protocol",
            "ssl",
            "property `security.protocol` cannot be `SSL`: TLS is not supported yet; PLAINTEXT and SASL_PLAINTEXT are",
        ),
        (
            "sasl.mechanism",
            "SCRAM-SHA-256",
            "property `sasl.mechanism` cannot be `SCRAM-SHA-256`: SCRAM is not supported yet; PLAIN is",
        ),
        (
            "ssl.truststore.location",
            "/x",
            "property `ssl.truststore.location` is refused: TLS is not supported yet; use security.protocol PLAINTEXT or \
             SASL_PLAINTEXT",
        ),
    ] {
        assert_eq!(wrong(name, value), said);
    }
}

#[test]
fn a_file_may_hold_the_properties_of_several_clients_and_names_the_line_that_is_wrong() {
    let folder = std::env::temp_dir().join(format!("courant-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("client.properties");
    std::fs::write(
        &path,
        b"bootstrap.servers=a:1\nlinger.ms=5\ngroup.id=g\nclient.id=caf\xe9\nssl.protocol=TLSv1.3\n",
    )
    .unwrap();
    let read = Properties::read(&path).unwrap();
    assert_eq!(CommonSettings::new(&read).unwrap().client_id, "café");

    std::fs::write(&path, "bootstrap.servers=a:1\nretry.backoff.ms=soon\n").unwrap();
    let error = Properties::read(&path).unwrap().check(&[&COMMON]).unwrap_err();
    assert_eq!(error.property(), "retry.backoff.ms");
    assert!(
        error.to_string().contains("client.properties:2: property `retry.backoff.ms` cannot be `soon`"),
        "{error}"
    );

    std::fs::write(&path, "a=\\u00").unwrap();
    let broken = Properties::read(&path).unwrap_err();
    assert!(broken.to_string().contains("client.properties: line 1: `\\u` needs"), "{broken}");
    std::fs::remove_dir_all(&folder).unwrap();
    let missing = Properties::read(&path).unwrap_err();
    assert_eq!(missing.kind(), ConfigErrorKind::File);
    assert!(missing.to_string().starts_with("cannot read the properties file `"), "{missing}");
}

#[test]
fn a_property_without_effect_is_listed_with_its_reason() {
    let mut properties = Properties::new();
    properties.set("send.buffer.bytes", 1).set("receive.buffer.bytes", 65_536);
    let settings = properties.check(&[&COMMON]).unwrap();
    assert_eq!(
        settings.without_effect(),
        [("send.buffer.bytes", "the operating system sizes its socket buffers")]
    );
}

#[test]
fn bootstrap_servers_are_required_and_each_is_read() {
    assert_eq!(
        settings("").unwrap_err().to_string(),
        "property `bootstrap.servers` is required; name at least one broker, such as `localhost:9092`"
    );
    let several = settings("bootstrap.servers = a:1, b:2,a:1, ").unwrap();
    assert_eq!(several.bootstrap.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a:1", "b:2"]);
    assert_eq!(
        settings("bootstrap.servers=a").unwrap_err().to_string(),
        "property `bootstrap.servers` cannot be read: `a` is no broker address: the port is missing; write host:port"
    );
}

#[test]
fn a_reconnect_backoff_set_alone_is_constant() {
    let ms = Duration::from_millis;
    let backoff = |text: &str| settings(&format!("bootstrap.servers=a:1\n{text}")).unwrap().reconnect_backoff;
    assert_eq!(backoff(""), Backoff::new(ms(50), ms(1000)));
    assert_eq!(backoff("reconnect.backoff.ms=70"), Backoff::new(ms(70), ms(70)));
    assert_eq!(backoff("reconnect.backoff.ms=70\nreconnect.backoff.max.ms=90"), Backoff::new(ms(70), ms(90)));
}

#[test]
fn sasl_plain_is_read_from_jaas_and_is_never_shown() {
    let mut properties = Properties::parse("bootstrap.servers=a:1").unwrap();
    properties.set_sasl_plain("alice", "hush\"hush");
    let read = CommonSettings::new(&properties).unwrap();
    let Security::SaslPlain { username, password } = &read.security else { panic!("{read:?}") };
    assert_eq!((username.as_str(), password.reveal()), ("alice", "hush\"hush"));
    for shown in [
        format!("{properties:?}"),
        format!("{read:?}"),
        format!("{:?}", Properties::from_iter([("pasword", "hush")])),
    ] {
        assert!(!shown.contains("hush"), "{shown}");
    }

    let said = |text: &str| {
        settings(&format!("bootstrap.servers=a:1\nsecurity.protocol=SASL_PLAINTEXT\n{text}"))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(""),
        "property `sasl.mechanism` cannot be `GSSAPI`: Kerberos is not supported; set it to `PLAIN`; Kafka's default is \
         `GSSAPI`"
    );
    assert_eq!(
        said("sasl.mechanism=PLAIN"),
        "property `sasl.jaas.config` is required for SASL; or call `sasl_plain(username, password)`"
    );
    let broken = said("sasl.mechanism=PLAIN\nsasl.jaas.config=x required password=\"hush;");
    assert_eq!(broken, "property `sasl.jaas.config` cannot be read: a quote is not closed");
}

#[test]
fn typed_setters_meet_the_texts() {
    let mut properties = Properties::parse("request.timeout.ms=1").unwrap();
    properties.set_millis("request.timeout.ms", Duration::from_micros(2_001));
    assert_eq!(properties.value("request.timeout.ms"), Some("3"));
    let mut base = Properties::from_iter([("client.id", "a"), ("retry.backoff.ms", "1")]);
    base.merge(&Properties::from_iter([("client.id", "b")]));
    assert_eq!(base.names().map(|name| base.value(name).unwrap()).collect::<Vec<_>>(), ["b", "1"]);
    let settings = base.check(&[&COMMON]).unwrap();
    assert_eq!(settings.int("client.id").unwrap_err().kind(), ConfigErrorKind::Internal);
    assert_eq!(settings.flag("no.such").unwrap_err().kind(), ConfigErrorKind::Internal);
}
