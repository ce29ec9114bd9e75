//! One connection: requests in the order in which they come, whatever is complete answered with one write.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, FetchRequest, ProduceRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::broker::Broker;
use crate::output::Output;

impl Broker {
    /// Serves a connection until it ends.
    pub(crate) async fn connection(self: Arc<Self>, mut socket: TcpStream) -> Result<()> {
        let mut input = BytesMut::with_capacity(READ_BYTES);
        let mut output = Output::default();
        loop {
            while let Some(size) = input.first_chunk().map(|size| i32::from_be_bytes(*size)) {
                let size = usize::try_from(size).ok().filter(|size| *size <= FRAME_BYTES_MAX);
                let size = size.context("a frame of no sensible size")?;
                if input.len() < SIZE_BYTES + size {
                    input.reserve(SIZE_BYTES + size - input.len());
                    break;
                }
                let mut frame = input.split_to(SIZE_BYTES + size).freeze();
                self.request(frame.split_off(SIZE_BYTES), &mut output).await?;
                if bytes::Buf::remaining(&output) > FLUSH_BYTES {
                    output.flush(&mut socket).await?;
                }
            }
            output.flush(&mut socket).await?;
            if input.capacity() - input.len() < READ_BYTES / 4 {
                input.reserve(READ_BYTES);
            }
            if socket.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Answers one request.
    async fn request(&self, mut request: Bytes, output: &mut Output) -> Result<()> {
        let prefix: [u8; 4] = *request.first_chunk().context("a request without a header")?;
        let api = ApiKey::try_from(i16::from_be_bytes([prefix[0], prefix[1]]))
            .map_err(|()| anyhow::anyhow!("an API that does not exist"))?;
        let version = i16::from_be_bytes([prefix[2], prefix[3]]);
        let header = RequestHeader::decode(&mut request, api.request_header_version(version))?;
        output.encoding.put_i32(0);
        ResponseHeader::default()
            .with_correlation_id(header.correlation_id)
            .encode(&mut output.encoding, api.response_header_version(version))?;
        match api {
            ApiKey::Produce => {
                let request = ProduceRequest::decode(&mut request, version)?;
                let answers = request.acks != 0;
                let response = self.produce(request);
                if !answers {
                    output.discard();
                    return Ok(());
                }
                response.encode(&mut output.encoding, version)?;
            }
            ApiKey::Fetch => {
                let request = FetchRequest::decode(&mut request, version)?;
                match self.config.store {
                    true => self.fetch_stored(request).await.encode(&mut output.encoding, version)?,
                    false => self.fetch_endless(&request, version, output),
                }
            }
            _ => {
                self.stats.other_requests.fetch_add(1, Relaxed);
                self.control(api, version, request, &mut output.encoding)?;
            }
        }
        let inserted: usize = output.inserts.iter().map(|(_, shared)| shared.len()).sum();
        let size = output.encoding.len() - SIZE_BYTES + inserted;
        ensure!(size <= FRAME_BYTES_MAX, "an answer of {size} bytes");
        if let Some(field) = output.encoding.first_chunk_mut() {
            *field = (size as i32).to_be_bytes();
        }
        output.seal();
        Ok(())
    }
}

const SIZE_BYTES: usize = 4;
/// No client that is measured sends more.
const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;
const READ_BYTES: usize = 256 * 1024;
/// More than this is not kept back to be written with what follows.
const FLUSH_BYTES: usize = 1024 * 1024;
