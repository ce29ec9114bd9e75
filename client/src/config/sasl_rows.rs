//! The rows of `sasl.*`: Kafka's `SaslConfigs`, with Java's names and defaults.
use super::row::{Importance, Kind, Row, Unit};

/// Every `sasl.*` property.
// tidy: one table
pub(super) const SASL: &[Row] = &[
    Row::without_default("sasl.client.callback.handler.class", Kind::Class).importance(Importance::Medium).refused(NO_JAVA).doc("A Java class that hands credentials to a mechanism."),
    Row::without_default("sasl.jaas.config", Kind::Password).importance(Importance::Medium).doc("What the client authenticates with, as a JAAS login module and its options."),
    Row::new("sasl.kerberos.kinit.cmd", Kind::String, "/usr/bin/kinit").refused(NO_KERBEROS).doc("The path of the `kinit` program."),
    Row::new("sasl.kerberos.min.time.before.relogin", Kind::Long, "60000").unit(Unit::Millis).refused(NO_KERBEROS).doc("How long Kerberos waits between logins."),
    Row::without_default("sasl.kerberos.service.name", Kind::String).importance(Importance::Medium).refused(NO_KERBEROS).doc("The Kerberos principal that the brokers run as."),
    Row::new("sasl.kerberos.ticket.renew.jitter", Kind::Double, "0.05").refused(NO_KERBEROS).doc("The share of random time added to a ticket's renewal."),
    Row::new("sasl.kerberos.ticket.renew.window.factor", Kind::Double, "0.8").refused(NO_KERBEROS).doc("The share of a ticket's life after which it is renewed."),
    Row::without_default("sasl.login.callback.handler.class", Kind::Class).importance(Importance::Medium).refused(NO_JAVA).doc("A Java class that hands credentials to a login."),
    Row::without_default("sasl.login.class", Kind::Class).importance(Importance::Medium).refused(NO_JAVA).doc("A Java class that logs in."),
    Row::without_default("sasl.login.connect.timeout.ms", Kind::Int).unit(Unit::Millis).refused(NO_OAUTH).doc("How long connecting to the identity provider may take."),
    Row::without_default("sasl.login.read.timeout.ms", Kind::Int).unit(Unit::Millis).refused(NO_OAUTH).doc("How long the identity provider may take to answer."),
    Row::new("sasl.login.refresh.buffer.seconds", Kind::Short, "300").between(0, 3600).unit(Unit::Seconds).refused(NO_OAUTH).doc("How long before its end a token is refreshed at the latest."),
    Row::new("sasl.login.refresh.min.period.seconds", Kind::Short, "60").between(0, 900).unit(Unit::Seconds).refused(NO_OAUTH).doc("How long a token is kept at least."),
    Row::new("sasl.login.refresh.window.factor", Kind::Double, "0.8").fraction(0.5, 1.0).refused(NO_OAUTH).doc("The share of a token's life after which it is refreshed."),
    Row::new("sasl.login.refresh.window.jitter", Kind::Double, "0.05").fraction(0.0, 0.25).refused(NO_OAUTH).doc("The share of random time added to a token's refresh."),
    Row::new("sasl.login.retry.backoff.max.ms", Kind::Long, "10000").unit(Unit::Millis).refused(NO_OAUTH).doc("The longest wait between attempts at the identity provider."),
    Row::new("sasl.login.retry.backoff.ms", Kind::Long, "100").unit(Unit::Millis).refused(NO_OAUTH).doc("The first wait between attempts at the identity provider."),
    Row::new("sasl.mechanism", Kind::String, "GSSAPI").one_of(MECHANISMS).importance(Importance::Medium).kip(43).refuse_values(LATER_MECHANISMS).doc("The SASL mechanism with which the client authenticates; Kafka's default is refused too once a SASL protocol is chosen."),
    Row::new("sasl.oauthbearer.assertion.algorithm", Kind::String, "RS256").one_of_in_any_case(&["ES256", "RS256"]).importance(Importance::Medium).refused(NO_OAUTH).doc("The algorithm that signs an assertion."),
    Row::without_default("sasl.oauthbearer.assertion.claim.aud", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("The audience of an assertion."),
    Row::new("sasl.oauthbearer.assertion.claim.exp.seconds", Kind::Int, "300").between(0, 86400).unit(Unit::Seconds).refused(NO_OAUTH).doc("How long an assertion is valid."),
    Row::without_default("sasl.oauthbearer.assertion.claim.iss", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("The issuer of an assertion."),
    Row::new("sasl.oauthbearer.assertion.claim.jti.include", Kind::Bool, "false").importance(Importance::Medium).refused(NO_OAUTH).doc("Whether an assertion carries an id."),
    Row::new("sasl.oauthbearer.assertion.claim.nbf.seconds", Kind::Int, "60").between(0, 3600).unit(Unit::Seconds).refused(NO_OAUTH).doc("How long before its making an assertion is valid."),
    Row::without_default("sasl.oauthbearer.assertion.claim.sub", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("The subject of an assertion."),
    Row::without_default("sasl.oauthbearer.assertion.file", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("A file with a ready assertion."),
    Row::without_default("sasl.oauthbearer.assertion.private.key.file", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("The file of the key that signs an assertion."),
    Row::without_default("sasl.oauthbearer.assertion.private.key.passphrase", Kind::Password).importance(Importance::Medium).refused(NO_OAUTH).doc("The passphrase of that key."),
    Row::without_default("sasl.oauthbearer.assertion.template.file", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("A file with claims that every assertion carries."),
    Row::without_default("sasl.oauthbearer.client.credentials.client.id", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("The client id for the client-credentials grant."),
    Row::without_default("sasl.oauthbearer.client.credentials.client.secret", Kind::Password).importance(Importance::Medium).refused(NO_OAUTH).doc("The client secret for the client-credentials grant."),
    Row::new("sasl.oauthbearer.clock.skew.seconds", Kind::Int, "30").unit(Unit::Seconds).refused(NO_OAUTH).doc("How far the clocks of broker and provider may differ."),
    Row::new("sasl.oauthbearer.expected.audience", Kind::List, "").importance(Importance::High).refused(NO_OAUTH).doc("The audiences that a broker takes."),
    Row::without_default("sasl.oauthbearer.expected.issuer", Kind::String).importance(Importance::High).refused(NO_OAUTH).doc("The issuer that a broker takes."),
    Row::new("sasl.oauthbearer.header.urlencode", Kind::Bool, "false").refused(NO_OAUTH).doc("Whether id and secret are URL-encoded in the header."),
    Row::new("sasl.oauthbearer.jwks.endpoint.refresh.ms", Kind::Long, "3600000").unit(Unit::Millis).refused(NO_OAUTH).doc("How often a broker fetches the keys of the provider."),
    Row::new("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Kind::Long, "10000").unit(Unit::Millis).refused(NO_OAUTH).doc("The longest wait between attempts to fetch those keys."),
    Row::new("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Kind::Long, "100").unit(Unit::Millis).refused(NO_OAUTH).doc("The first wait between attempts to fetch those keys."),
    Row::without_default("sasl.oauthbearer.jwks.endpoint.url", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("Where the keys of the provider are."),
    Row::new("sasl.oauthbearer.jwt.retriever.class", Kind::Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever").importance(Importance::Medium).refused(NO_JAVA).doc("A Java class that fetches tokens."),
    Row::new("sasl.oauthbearer.jwt.validator.class", Kind::Class, "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator").importance(Importance::Medium).refused(NO_JAVA).doc("A Java class that checks tokens."),
    Row::without_default("sasl.oauthbearer.scope", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("The scope that a token is asked for."),
    Row::new("sasl.oauthbearer.scope.claim.name", Kind::String, "scope").refused(NO_OAUTH).doc("The claim that holds the scope."),
    Row::new("sasl.oauthbearer.sub.claim.name", Kind::String, "sub").refused(NO_OAUTH).doc("The claim that holds the subject."),
    Row::without_default("sasl.oauthbearer.token.endpoint.url", Kind::String).importance(Importance::Medium).refused(NO_OAUTH).doc("Where tokens are fetched, or a file with one."),
];

const MECHANISMS: &[&str] = &["PLAIN", "GSSAPI", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

const LATER_MECHANISMS: &[(&str, &str)] = &[
    ("SCRAM-SHA-256", "SCRAM is not supported yet; PLAIN is"),
    ("SCRAM-SHA-512", "SCRAM is not supported yet; PLAIN is"),
    ("OAUTHBEARER", NO_OAUTH),
];

const NO_OAUTH: &str = "OAUTHBEARER is not supported yet; PLAIN is";
const NO_KERBEROS: &str = "Kerberos is not supported; PLAIN is";
const NO_JAVA: &str = "it names a Java class, which cannot be loaded here";
