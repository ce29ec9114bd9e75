//! The broker: its listener and what its connections share.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use anyhow::Result;
use kafka_protocol::protocol::StrBytes;
use tokio::net::TcpListener;

use crate::endless::EndlessBatch;
use crate::store::Store;
use crate::{Config, Stats};

/// A broker that costs next to nothing.
#[derive(Debug)]
pub struct Broker {
    pub(crate) config: Config,
    /// Where clients find it.
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
    pub(crate) batch: EndlessBatch,
    pub(crate) stats: Stats,
    pub(crate) next_producer_id: AtomicI64,
    pub(crate) store: Store,
}

impl Broker {
    /// Builds the batch that answers fetches and listens.
    ///
    /// # Errors
    /// The address is taken, or the settings do not give one batch.
    ///
    /// # Cancel safety
    /// Nothing listens when the future is dropped.
    pub async fn bind(config: Config) -> Result<(Arc<Self>, TcpListener)> {
        let batch = EndlessBatch::build(&config)?;
        let listener = TcpListener::bind((config.host.as_str(), config.port)).await?;
        let broker = Self {
            host: StrBytes::from_string(config.host.clone()),
            port: i32::from(listener.local_addr()?.port()),
            batch,
            stats: Stats::default(),
            next_producer_id: AtomicI64::new(1000),
            store: Store::default(),
            config,
        };
        Ok((Arc::new(broker), listener))
    }

    /// Serves every connection.
    ///
    /// # Errors
    /// The listener fails.
    ///
    /// # Cancel safety
    /// Connections that were accepted go on when the future is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> Result<()> {
        loop {
            let (socket, peer) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let broker = Arc::clone(&self);
            tokio::spawn(async move {
                // A client that ends does not always say so first; anything else is worth a line.
                if let Err(error) = broker.connection(socket).await
                    && !error.is::<std::io::Error>()
                {
                    eprintln!("null-broker: {peer}: {error:#}");
                }
            });
        }
    }

    /// What was asked of it so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}
