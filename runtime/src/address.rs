//! Where a broker listens: a host and a port.
use std::fmt;
use std::str::FromStr;

/// A host and a port, as in `bootstrap.servers`: `broker-1:9092`, `10.0.0.7:9092`, `[::1]:9092`.
///
/// The host is kept as it was written; it is resolved at each attempt to connect, because addresses behind a name change.
///
/// ```
/// use courant_runtime::Address;
///
/// let address: Address = "[::1]:9092".parse()?;
/// assert_eq!((address.host.as_str(), address.port), ("::1", 9092));
/// assert_eq!(address.to_string(), "[::1]:9092");
/// # Ok::<(), courant_runtime::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// A name or an IP address; an IPv6 address stands here without its brackets.
    pub host: String,
    /// The port, never 0 when it was parsed.
    pub port: u16,
}

impl Address {
    /// Names a host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `host:port` or `[ipv6]:port`.
    ///
    /// # Errors
    /// An [`AddressError`] that quotes the text and says what is wrong with it.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason| AddressError { text: text.to_owned(), reason };
        let trimmed = text.trim();
        if trimmed.contains("://") && !trimmed.starts_with('[') {
            return Err(wrong("it is a URL; give only host:port"));
        }
        let (host, port) = match trimmed.strip_prefix('[') {
            Some(rest) => {
                rest.split_once("]:").ok_or_else(|| wrong("after the IPv6 address `]:port` is missing"))?
            }
            None => trimmed.rsplit_once(':').ok_or_else(|| wrong("the port is missing; write host:port"))?,
        };
        if host.is_empty() {
            return Err(wrong("the host is missing; write host:port"));
        }
        if host.contains(':') && !trimmed.starts_with('[') {
            return Err(wrong("an IPv6 address stands in brackets: [::1]:9092"));
        }
        if host.contains(char::is_whitespace) {
            return Err(wrong("a host has no white space"));
        }
        match port.parse::<u16>() {
            Ok(0) | Err(_) => Err(wrong("the port is a number from 1 to 65535")),
            Ok(port) => Ok(Self::new(host, port)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that is no address; prints the text and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no broker address: {}", self.text, self.reason)
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_printed_alike() {
        for text in ["broker-1:9092", "10.0.0.7:1", "[fe80::1]:65535"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(" broker-1:9092 ".parse::<Address>().unwrap(), Address::new("broker-1", 9092));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        let said = |text: &str| text.parse::<Address>().unwrap_err().to_string();
        assert_eq!(said("broker-1"), "`broker-1` is no broker address: the port is missing; write host:port");
        assert_eq!(said(":9092"), "`:9092` is no broker address: the host is missing; write host:port");
        assert_eq!(said("a:0"), "`a:0` is no broker address: the port is a number from 1 to 65535");
        assert_eq!(said("a:99999"), "`a:99999` is no broker address: the port is a number from 1 to 65535");
        assert_eq!(
            said("::1:9092"),
            "`::1:9092` is no broker address: an IPv6 address stands in brackets: [::1]:9092"
        );
        assert_eq!(said("[::1]"), "`[::1]` is no broker address: after the IPv6 address `]:port` is missing");
        assert_eq!(
            said("http://a:9092"),
            "`http://a:9092` is no broker address: it is a URL; give only host:port"
        );
        assert_eq!(said("a b:9092"), "`a b:9092` is no broker address: a host has no white space");
    }
}
