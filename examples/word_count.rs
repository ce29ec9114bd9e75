//! Counts the words of a line, and says so whenever a count changes.
use courant::streams::codec::{I64Be, Utf8};
use courant::streams::{Store, StreamsApp, StreamsBuilder};
use courant::{Record, producer::Producer};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bootstrap = std::env::var("BOOTSTRAP_SERVERS").unwrap_or_else(|_| "mock://3".to_owned());
    let kafka = courant::connect(&bootstrap).await?;
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, String>("lines", (Utf8, Utf8))
        .flat_map_values(|_, line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .group_by("by-word", (Utf8, Utf8), |_, word| word.clone())
        .count(Store::named("counts", (Utf8, I64Be)))
        .to_stream()
        .for_each(|word, count| println!("{word:?}: {count:?}"));
    let producer = Producer::builder(&kafka).start().await?;
    producer.send(Record::to("lines").value("to be or not to be")).await?;
    let app = StreamsApp::builder("word-count", &kafka).start(builder.build()?).await?;
    app.caught_up().await?;
    Ok(app.close(Duration::from_secs(10)).await?)
}
