//! `courant-probe`: our clients on a command line, as one of the programs that `cargo xtask interop` compares.
//!
//! `tests/interop/README.md` gives the commands and their lines: tab-separated, bytes in base64, `-` for null.

mod ages;
mod hop;
mod line;
mod member;
mod produce;
mod read;
mod stream;

use anyhow::{Context, Result, bail};
use courant_client::Kafka;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let bootstrap = arguments.get(1).copied().context(
        "usage: courant-probe produce|consume|list|offsets|member|stream|create|hop|ages BOOTSTRAP …",
    )?;
    let kafka = Kafka::connect(bootstrap).await?;
    match arguments.as_slice() {
        ["produce", _, topic, codec, settings @ ..] => produce::run(&kafka, topic, codec, settings).await,
        ["consume", _, topic, count] => read::consume(&kafka, topic, count.parse()?).await,
        ["list", _] => read::list(&kafka).await,
        ["stream", _, application, input, output] => stream::run(&kafka, application, input, output).await,
        ["member", _, group, topic, assignor] => member::run(&kafka, group, topic, assignor).await,
        ["create", _, topic, partitions, copies] => {
            hop::create(&kafka, topic, partitions.parse()?, copies.parse()?).await
        }
        ["hop", _, group, from, to] => hop::run(&kafka, group, from, to).await,
        ["ages", _, topic, rate] => ages::run(&kafka, topic, rate.parse()?).await,
        ["offsets", _, topic, timestamp] => read::offsets(&kafka, topic, timestamp.parse()?).await,
        _ => bail!("no such command: {}", arguments.join(" ")),
    }
}
