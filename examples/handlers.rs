//! A payment service: many orders at once, one customer's in order; what the bank refuses for a while is tried again, what
//! nobody can read becomes a dead letter. It runs on brokers in memory: `cargo run --example handlers`.
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use courant::Record;
use courant::client::codec::Utf8;
use courant::consumer::Consumer;
use courant::handlers::{Backoff, Failure, Handlers};
use courant::producer::Producer;

/// Charges a customer; the bank is away at the third call.
async fn charge(customer: &str, order: &str) -> Result<(), Failure> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let cents: u32 = order.parse().map_err(Failure::permanent)?; // no attempt will make a number of it
    if call == 2 {
        return Err(std::io::Error::other("the bank does not answer"))?; // it will in a while
    }
    println!("{customer:>8} pays {cents:>5} cents");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kafka = courant::connect("mock://3").await?;
    let producer = Producer::builder(&kafka).start().await?;
    for (customer, order) in [("ann", "500"), ("bob", "20"), ("ann", "70"), ("eve", "much"), ("bob", "1250")]
    {
        producer.send(Record::to("orders").key(customer).value(order)).await?;
    }

    let orders =
        Consumer::builder(&kafka).group("payments").subscribe(["orders"]).auto_offset_reset("earliest");
    let mut payments = Handlers::new(orders)
        .retry(5, Backoff::new(Duration::from_millis(100), Duration::from_secs(5)))
        .dead_letters(&producer, "orders.dead")
        .typed::<String, String>(Utf8, Utf8)
        .for_each_per_key(16, async |order| charge(&order.key, &order.value).await)
        .await?;
    tokio::select! {
        stopped = payments.run() => stopped?,
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    payments.close(Duration::from_secs(10)).await?;

    let dead = Consumer::builder(&kafka).assign([("orders.dead", 0)]).auto_offset_reset("earliest");
    let mut dead = dead.start().await?;
    let letters = dead.poll().await?.ok_or("the consumer is open")?;
    for letter in &letters {
        let why = letter.last_header("__handlers.errors.exception.message").and_then(|header| header.value);
        let (value, why) = (letter.value().unwrap_or_default(), why.unwrap_or_default());
        println!("a dead letter: {} ({})", String::from_utf8_lossy(value), String::from_utf8_lossy(why));
    }
    producer.close(Duration::from_secs(5)).await?;
    Ok(())
}
