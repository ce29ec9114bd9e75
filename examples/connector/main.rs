//! A connector of one's own, in `archive.rs`; `conforms.rs` runs it through the suite that every connector should stand.
mod archive;
#[cfg(test)]
mod conforms;

use courant::connect::Worker;
use courant::{Record, producer::Producer};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bootstrap = std::env::var("BOOTSTRAP_SERVERS").unwrap_or_else(|_| "mock://3".to_owned());
    let kafka = courant::connect(&bootstrap).await?;
    let producer = Producer::builder(&kafka).start().await?;
    let note = producer.send(Record::to("notes").value("remember the milk")).await?;
    let folder = std::env::temp_dir().join("courant-archive");
    std::fs::create_dir_all(&folder)?;
    let properties = [
        ("folder", folder.display().to_string()),
        ("topics", "notes".to_owned()),
        ("value.converter", "StringConverter".to_owned()),
    ];
    let worker = Worker::builder(&kafka).sink::<archive::Archive>("archive", properties).start().await?;
    worker.delivered("archive", [(note.topic_partition.clone(), note.offset.0 + 1)]).await?;
    let file = folder.join(note.to_string());
    println!("{}: {}", file.display(), std::fs::read_to_string(&file)?);
    Ok(worker.stop(Duration::from_secs(10)).await?)
}
