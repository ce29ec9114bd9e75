//! The rows of `ssl.*`: Kafka's `SslConfigs`, with Java's names and defaults.
use super::row::{Importance, Kind, Row};

/// Every `ssl.*` property.
// tidy: one table
pub(super) const SSL: &[Row] = &[
    Row::new("ssl.cipher.suites", Kind::List, "")
        .refused(NO_TLS)
        .doc("The cipher suites that may be negotiated; empty for all."),
    Row::new("ssl.enabled.protocols", Kind::List, "TLSv1.2,TLSv1.3")
        .importance(Importance::Medium)
        .refused(NO_TLS)
        .doc("The TLS versions that may be negotiated."),
    Row::new("ssl.endpoint.identification.algorithm", Kind::String, "https")
        .refused(NO_TLS)
        .doc("How a broker's certificate is held against its host name; empty for not at all."),
    Row::without_default("ssl.engine.factory.class", Kind::Class)
        .refused(NO_TLS)
        .doc("A Java class that makes TLS engines."),
    Row::without_default("ssl.key.password", Kind::Password)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The password of the private key in the key store."),
    Row::new("ssl.keymanager.algorithm", Kind::String, "SunX509")
        .refused(NO_TLS)
        .doc("Java's key manager algorithm."),
    Row::without_default("ssl.keystore.certificate.chain", Kind::Password)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The client's certificate chain, as PEM."),
    Row::without_default("ssl.keystore.key", Kind::Password)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The client's private key, as PEM."),
    Row::without_default("ssl.keystore.location", Kind::String)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The file of the key store."),
    Row::without_default("ssl.keystore.password", Kind::Password)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The password of the key store."),
    Row::new("ssl.keystore.type", Kind::String, "JKS")
        .importance(Importance::Medium)
        .refused(NO_TLS)
        .doc("The format of the key store."),
    Row::new("ssl.protocol", Kind::String, "TLSv1.3")
        .importance(Importance::Medium)
        .refused(NO_TLS)
        .doc("The TLS version of Java's context."),
    Row::without_default("ssl.provider", Kind::String)
        .importance(Importance::Medium)
        .refused(NO_TLS)
        .doc("Java's security provider for TLS."),
    Row::without_default("ssl.secure.random.implementation", Kind::String)
        .refused(NO_TLS)
        .doc("Java's source of randomness for TLS."),
    Row::new("ssl.trustmanager.algorithm", Kind::String, "PKIX")
        .refused(NO_TLS)
        .doc("Java's trust manager algorithm."),
    Row::without_default("ssl.truststore.certificates", Kind::Password)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The certificates to trust, as PEM."),
    Row::without_default("ssl.truststore.location", Kind::String)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The file of the trust store."),
    Row::without_default("ssl.truststore.password", Kind::Password)
        .importance(Importance::High)
        .refused(NO_TLS)
        .doc("The password of the trust store."),
    Row::new("ssl.truststore.type", Kind::String, "JKS")
        .importance(Importance::Medium)
        .refused(NO_TLS)
        .doc("The format of the trust store."),
];

const NO_TLS: &str = "TLS is not supported yet; use security.protocol PLAINTEXT or SASL_PLAINTEXT";
