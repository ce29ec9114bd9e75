//! Every public async function, dropped after its first, second, … poll: the client goes on as if nothing had been.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod world;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use courant_admin::{
    Admin, ConfigChanges, ConfigResource, DeleteBefore, GroupFilter, IsolationLevel, MemberToRemove,
    NewConfigs, NewPartitions, NewTopic, OffsetSpec, TopicRef,
};
use courant_broker_mock::Fault;
use courant_protocol::api::ApiKey;
use courant_protocol::types::NodeId;
use world::{admin, cluster, ms, run};

/// How often a future is polled at most before it is dropped; none here needs more.
const POLLS: usize = 20;

type Call = for<'a> fn(&'a Admin) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Every public async function; what they give does not matter here.
const CALLS: [(&str, Call); 19] = [
    ("create_topics", |admin| Box::pin(async { drop(admin.create_topics([NewTopic::new("new")]).await) })),
    ("validate_topics", |admin| {
        Box::pin(async { drop(admin.validate_topics([NewTopic::new("new")]).await) })
    }),
    ("delete_topics", |admin| Box::pin(async { drop(admin.delete_topics(["orders"]).await) })),
    ("list_topics", |admin| Box::pin(async { drop(admin.list_topics().await) })),
    ("describe_topics", |admin| Box::pin(async { drop(admin.describe_topics(["orders", "missing"]).await) })),
    ("create_partitions", |admin| {
        Box::pin(async { drop(admin.create_partitions([NewPartitions::to("orders", 5)]).await) })
    }),
    ("describe_configs", |admin| {
        Box::pin(async { drop(admin.describe_configs([ConfigResource::Broker(NodeId(2))]).await) })
    }),
    ("delete_records", |admin| {
        Box::pin(async { drop(admin.delete_records([(("orders", 0), DeleteBefore::HighWatermark)]).await) })
    }),
    ("validate_partitions", |admin| {
        Box::pin(async { drop(admin.validate_partitions([NewPartitions::to("orders", 5)]).await) })
    }),
    ("incremental_alter_configs", |admin| {
        Box::pin(async { drop(admin.incremental_alter_configs([retention()]).await) })
    }),
    ("validate_config_changes", |admin| {
        Box::pin(async { drop(admin.validate_config_changes([retention()]).await) })
    }),
    ("alter_configs", |admin| {
        Box::pin(async {
            let configs = NewConfigs::of(ConfigResource::topic("orders")).set("retention.ms", -1);
            drop(admin.alter_configs([configs]).await);
        })
    }),
    ("list_groups", |admin| Box::pin(async { drop(admin.list_groups(&GroupFilter::all()).await) })),
    ("describe_groups", |admin| {
        Box::pin(async { drop(admin.describe_groups(["billing", "shipping"]).await) })
    }),
    ("delete_groups", |admin| Box::pin(async { drop(admin.delete_groups(["billing", "shipping"]).await) })),
    ("list_group_offsets", |admin| {
        Box::pin(async { drop(admin.list_group_offsets(["billing", "shipping"]).await) })
    }),
    ("alter_group_offsets and delete_group_offsets", |admin| {
        Box::pin(async {
            drop(admin.alter_group_offsets("billing", [(("orders", 0), 1)]).await);
            drop(admin.delete_group_offsets("billing", [("orders", 0)]).await);
        })
    }),
    ("remove_members and remove_all_members", |admin| {
        Box::pin(async {
            drop(admin.remove_members("billing", [MemberToRemove::instance("a")], "").await);
            drop(admin.remove_all_members("billing", "").await);
        })
    }),
    ("list_offsets and describe_cluster", |admin| {
        Box::pin(async {
            let ends = (0..3).map(|partition| (("orders", partition), OffsetSpec::Latest));
            drop(admin.list_offsets(ends, IsolationLevel::ReadUncommitted).await);
            drop(admin.describe_cluster().await);
        })
    }),
];

fn retention() -> ConfigChanges {
    ConfigChanges::of(ConfigResource::topic("orders")).set("retention.ms", -1)
}

/// Polls a future so many times, whenever it is woken, and drops it if it is not ready by then.
async fn drop_after(polls: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = pin!(future);
    let mut done = 0;
    poll_fn(|context| {
        done += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if done >= polls => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn calls_that_are_dropped_disturb_no_other() {
    for (name, call) in CALLS {
        let mut finished = false;
        for polls in 1..=POLLS {
            finished = run(async {
                let cluster = cluster(|builder| builder);
                cluster.inject(Fault::on_any().always().delay(ms(5)));
                let admin = admin(&cluster).await;
                let finished = drop_after(polls, call(&admin)).await;
                // The same connections and the same metadata serve the next call.
                admin.create_topics([NewTopic::new("after")]).await.all().unwrap();
                let described = admin.describe_topics(["after"]).await.all().unwrap();
                assert_eq!(described[0].0, TopicRef::from("after"), "{name} dropped after {polls} polls");
                finished
            });
        }
        assert!(finished, "{name} needs more than {POLLS} polls: raise the limit");
    }
}

#[test]
fn a_dropped_change_of_offsets_was_made_once_or_not_at_all() {
    for polls in 1..=POLLS {
        run(async {
            let cluster = cluster(|builder| builder);
            cluster.inject(Fault::on(ApiKey::OffsetCommit).always().delay(ms(5)));
            let admin = admin(&cluster).await;
            let change = async { drop(admin.alter_group_offsets("billing", [(("orders", 0), 7)]).await) };
            let finished = drop_after(polls, change).await;
            // What was dropped on its way is there or not, and the next change is not disturbed.
            admin.list_group_offsets(["billing"]).await.all().unwrap();
            let committed = cluster.committed("billing", "orders", 0);
            assert!(committed == Some(7.into()) || (committed.is_none() && !finished), "after {polls} polls");
            assert!(world::asked(&cluster, ApiKey::OffsetCommit).len() <= 1, "after {polls} polls");
            admin.alter_group_offsets("billing", [(("orders", 0), 9)]).await.all().unwrap();
            assert_eq!(cluster.committed("billing", "orders", 0), Some(9.into()));
        });
    }
}

#[test]
fn a_dropped_creation_was_made_once_or_not_at_all() {
    for polls in 1..=POLLS {
        run(async {
            let cluster = cluster(|builder| builder);
            cluster.inject(Fault::on(ApiKey::CreateTopics).always().delay(ms(5)));
            let admin = admin(&cluster).await;
            let finished = drop_after(polls, CALLS[0].1(&admin)).await;
            admin.list_topics().await.unwrap();
            let exists = cluster.topics().contains(&"new".to_owned());
            assert!(exists || !finished, "after {polls} polls");
            let requests = world::asked(&cluster, ApiKey::CreateTopics).len();
            assert!(requests <= 1, "{requests} requests after {polls} polls");
        });
    }
}
