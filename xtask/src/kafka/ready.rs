//! Waits until a cluster is whole: asks a node for metadata until every broker is registered.
//!
//! The one request is written by hand, so that the tools do not depend on the crates that they generate and judge.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Metadata v1 without topics, client id `ready`: size, key 3, version 1, correlation id 1, client id, empty array.
const REQUEST: &[u8] = b"\x00\x00\x00\x13\x00\x03\x00\x01\x00\x00\x00\x01\x00\x05ready\x00\x00\x00\x00";

/// An answer this long comes from something else.
const ANSWER_BYTES_MAX: u32 = 1 << 20;

/// Waits until the node on `port` knows `nodes` brokers.
pub(crate) fn wait(port: u16, nodes: usize, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    let mut last = "nothing was asked yet".to_owned();
    while Instant::now() < deadline {
        match brokers(port) {
            Ok(known) if known >= nodes => return Ok(()),
            Ok(known) => last = format!("it knows {known} of {nodes} brokers"),
            Err(error) => last = format!("{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("127.0.0.1:{port} was not ready after {} s: {last}", limit.as_secs())
}

/// How many brokers the node on `port` knows.
fn brokers(port: u16) -> Result<usize> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(REQUEST)?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    count(&head)
}

/// Reads size, correlation id and the length of the array of brokers.
fn count(head: &[u8; 12]) -> Result<usize> {
    let [s0, s1, s2, s3, _, _, _, _, n0, n1, n2, n3] = *head;
    if u32::from_be_bytes([s0, s1, s2, s3]) > ANSWER_BYTES_MAX {
        bail!("the answer is not Kafka's");
    }
    usize::try_from(i32::from_be_bytes([n0, n1, n2, n3])).context("the answer holds no brokers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_request_says_its_own_size() {
        assert_eq!(REQUEST.len() - 4, usize::from(REQUEST[3]));
    }

    #[test]
    fn waits_until_the_last_broker_is_registered() -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let server = std::thread::spawn(move || -> Result<usize> {
            for known in [1_u8, 2, 3] {
                let (mut stream, _) = listener.accept()?;
                stream.read_exact(&mut [0; 23])?;
                stream.write_all(&[0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, known])?;
            }
            Ok(3)
        });
        wait(port, 3, Duration::from_secs(60))?;
        assert_eq!(server.join().map_err(|_| anyhow::anyhow!("the server panicked"))??, 3);
        Ok(())
    }

    #[test]
    fn another_server_is_told_from_kafka() {
        assert!(count(b"HTTP/1.1 400").is_err());
    }
}
