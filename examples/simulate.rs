//! Tests a program of one's own against crashes and bad networks: many seeds, virtual time, no server.
//!
//! The program writes an invoice for every order. It must not lose one, whatever happens:
//!
//! ```sh
//! cargo run --example simulate             # invoices are safe before an order counts as done
//! cargo run --example simulate -- careless # the other way round: a seed is found in which an invoice is lost
//! ```
use courant::consumer::Consumer;
use courant::mock::MockCluster;
use courant::producer::Producer;
use courant::runtime::World;
use courant::sim::{Chaos, Family, LinkFaults, Sim};
use courant::{Kafka, Record};
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const ORDERS: usize = 100;

fn main() -> Outcome {
    let careless = std::env::args().any(|argument| argument == "careless");
    let command = format!("cargo run --example simulate{}", if careless { " -- careless" } else { "" });
    let report = Family::new(command).seeds(50).run(|sim| every_order_is_invoiced(sim, careless))?;
    println!("{} seeds, and every order has its invoice in each", report.runs());
    Ok(())
}

/// The program under test, as it would run in production but for its crash points.
async fn write_invoices(sim: &Sim, world: World, bootstrap: String, careless: bool) -> Outcome {
    let kafka = Kafka::builder().bootstrap(bootstrap).world(world).connect().await?;
    let producer = Producer::builder(&kafka).start().await?;
    let mut orders = Consumer::builder(&kafka)
        .group("invoices")
        .assign([("orders", 0), ("orders", 1)])
        .auto_offset_reset("earliest")
        .auto_commit(false)
        .start()
        .await?;
    while let Some(batch) = orders.poll().await? {
        for order in &batch {
            let invoice = Record::to("invoices").value(order.value().unwrap_or_default().to_vec());
            drop(producer.enqueue(invoice).await?);
        }
        if careless {
            orders.commit().await?;
            sim.crash_point("between").await;
            producer.flush().await?;
        } else {
            producer.flush().await?;
            sim.crash_point("between").await;
            orders.commit().await?;
        }
    }
    Ok(())
}

/// One run: three brokers, a rough network, and a host that crashes and comes back.
fn every_order_is_invoiced(sim: &Sim, careless: bool) -> Outcome {
    let cluster = MockCluster::builder()
        .brokers(3)
        .topic_with("orders", 2, Some(3), [] as [(&str, &str); 0])
        .topic_with("invoices", 1, Some(3), [] as [(&str, &str); 0])
        .world(sim.world("brokers"))
        .build()?;
    sim.serve(cluster.transport());
    let bootstrap = cluster.bootstrap();
    let inside = sim.clone();
    let host = sim.host("invoicing").start(move |world| {
        let (sim, bootstrap) = (inside.clone(), bootstrap.clone());
        async move {
            // A program that fails is started again, as an init system would do it.
            while let Err(error) = write_invoices(&sim, world.clone(), bootstrap.clone(), careless).await {
                sim.note(error);
                world.sleep(Duration::from_secs(1)).await;
            }
        }
    });
    sim.crash_chance(0.2);
    let missing = sim.run(async {
        let shop = Kafka::builder().bootstrap(cluster.bootstrap()).world(sim.world("shop")).connect().await?;
        sim.faults(LinkFaults::rough());
        let trouble = Chaos::new(sim, &cluster).hosts(["invoicing"]).victims([host.clone()]);
        let (sold, ()) = tokio::join!(sell(&shop, sim), trouble.run_for(Duration::from_secs(60)));
        sold?;
        host.restart();
        sim.world("shop").sleep(Duration::from_secs(60)).await;
        unpaid(&shop).await
    })??;
    if missing.is_empty() { Ok(()) } else { Err(format!("no invoice for {missing:?}").into()) }
}

async fn sell(shop: &Kafka, sim: &Sim) -> Outcome {
    let producer = Producer::builder(shop).start().await?;
    for order in 0..ORDERS {
        producer.send(Record::to("orders").key(order.to_string()).value(format!("order {order}"))).await?;
        sim.world("shop").sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

/// The orders without an invoice.
async fn unpaid(shop: &Kafka) -> Outcome<BTreeSet<String>> {
    let mut missing: BTreeSet<String> = (0..ORDERS).map(|order| format!("order {order}")).collect();
    let mut invoices =
        Consumer::builder(shop).assign([("invoices", 0)]).auto_offset_reset("earliest").start().await?;
    let ends = invoices.end_offsets([("invoices", 0)]).await?;
    let end = ends.into_values().next().map_or(0, |end| end.0);
    let mut read = 0;
    while read < end {
        let Some(batch) = invoices.poll().await? else { break };
        for invoice in &batch {
            read = invoice.offset().0 + 1;
            missing.remove(&*String::from_utf8_lossy(invoice.value().unwrap_or_default()));
        }
    }
    Ok(missing)
}
